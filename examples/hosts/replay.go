// Replays the certificate of an artifact. docs/hosts.md says how to build it.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

type array struct {
	Dtype string
	Shape []int64
	Data  json.RawMessage
}

type certificate struct {
	SchemaVersion int    `json:"schema_version"`
	ContentSha256 string `json:"content_sha256"`
	Reference     []struct {
		Kind                        string
		Inputs, Expected, Tolerance map[string]array
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func numbers[T float32 | int64](one array) []T {
	var data []byte // of base64
	must(0, json.Unmarshal(one.Data, &data))
	values := make([]T, ort.NewShape(one.Shape...).FlattenedSize())
	must(0, binary.Read(bytes.NewReader(data), binary.LittleEndian, values))
	return values
}

func tensor(one array) ort.Value {
	shape := ort.NewShape(one.Shape...)
	switch one.Dtype {
	case "float32":
		return must(ort.NewTensor(shape, numbers[float32](one)))
	case "int64":
		return must(ort.NewTensor(shape, numbers[int64](one)))
	case "string":
		var texts []string
		must(0, json.Unmarshal(one.Data, &texts))
		value := must(ort.NewStringTensor(shape))
		must(0, value.SetContents(texts))
		return value
	}
	log.Fatalf("a type that this program does not read: %s", one.Dtype)
	return nil
}

// The largest fraction of its tolerance that an element uses.
func used(found ort.Value, expected, tolerance array) float64 {
	output, isFloat := found.(*ort.Tensor[float32])
	if !isFloat || expected.Dtype != "float32" || !slices.Equal(output.GetShape(), expected.Shape) {
		return math.Inf(1)
	}
	wanted, most := numbers[float32](expected), numbers[float32](tolerance)
	worst := 0.0
	for i, a := range output.GetData() {
		b, limit := float64(wanted[i]), float64(most[i]) // infinite if the element is not compared
		if math.IsInf(limit, 1) || float64(a) == b || (math.IsNaN(float64(a)) && math.IsNaN(b)) {
			continue
		}
		fraction := math.Abs(float64(a)-b) / limit
		if math.IsNaN(fraction) {
			fraction = math.Inf(1)
		}
		worst = max(worst, fraction)
	}
	return worst
}

// Of the file with the 64 digits of this very hash taken as zeros.
func contentSha256(path, digits string) string {
	content := bytes.Replace(must(os.ReadFile(path)), []byte(digits), []byte(strings.Repeat("0", 64)), 1)
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

func main() {
	ort.SetSharedLibraryPath(os.Getenv("ONNXRUNTIME")) // libonnxruntime.so, .dylib or onnxruntime.dll
	must(0, ort.InitializeEnvironment())
	path := os.Args[1]
	inputs, outputs, err := ort.GetInputOutputInfo(path)
	must(0, err)
	var names, results []string
	for _, one := range inputs {
		names = append(names, one.Name)
	}
	for _, one := range outputs {
		results = append(results, one.Name)
	}
	session := must(ort.NewDynamicAdvancedSession(path, names, results, nil))
	text, _, err := must(session.GetModelMetadata()).LookupCustomMetadataMap("edge_predict.certificate")
	var found certificate
	if json.Unmarshal([]byte(must(text, err)), &found) != nil || found.SchemaVersion < 1 || found.SchemaVersion > 2 {
		log.Fatal("no certificate of version 1 or 2")
	}
	passed := contentSha256(path, found.ContentSha256) == found.ContentSha256
	fmt.Println(map[bool]string{true: "unchanged", false: "CHANGED"}[passed], "since its export")
	for _, batch := range found.Reference {
		var values []ort.Value
		for _, name := range names {
			values = append(values, tensor(batch.Inputs[name]))
		}
		answers := make([]ort.Value, len(results))
		must(0, session.Run(values, answers))
		for i, name := range results {
			worst := used(answers[i], batch.Expected[name], batch.Tolerance[name])
			passed = passed && worst <= 1
			fmt.Printf("%s: %.0f%% of the tolerance of %s used\n", batch.Kind, 100*worst, name)
		}
	}
	fmt.Println(map[bool]string{true: "passed", false: "NOT PASSED"}[passed], "on ONNX Runtime", ort.GetVersion())
	if !passed {
		os.Exit(1)
	}
}
