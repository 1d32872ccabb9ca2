// Answers one row with the artifact of birds.csv. docs/hosts.md says how to build it.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"

	ort "github.com/yalue/onnxruntime_go"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	ort.SetSharedLibraryPath(os.Getenv("ONNXRUNTIME")) // libonnxruntime.so, .dylib or onnxruntime.dll
	must(0, ort.InitializeEnvironment())
	session := must(ort.NewDynamicAdvancedSession(os.Args[1], []string{"x", "text"}, []string{"probabilities"}, nil))
	text, _, err := must(session.GetModelMetadata()).LookupCustomMetadataMap("edge_predict.signature")
	var signature struct{ Labels []any }
	must(0, json.Unmarshal([]byte(must(text, err)), &signature))

	// bill_mm, depth_mm, flipper_mm, mass_g (missing), ringed, observer
	x := must(ort.NewTensor(ort.NewShape(1, 6), []float32{48.4, 19.1, 196, float32(math.NaN()), 0, 2}))
	strings := must(ort.NewStringTensor(ort.NewShape(1, 2)))
	must(0, strings.SetContents([]string{"Dream", "female"})) // island, sex; "" is missing
	found := []ort.Value{nil}
	must(0, session.Run([]ort.Value{x, strings}, found))
	row, best := found[0].(*ort.Tensor[float32]).GetData(), 0
	for i := range row {
		if row[i] > row[best] {
			best = i
		}
	}
	fmt.Printf("label %v  probability %.4f\n", signature.Labels[best], row[best])
}
