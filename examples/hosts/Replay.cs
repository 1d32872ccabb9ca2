// Replays the certificate of an artifact. docs/hosts.md says how to build it.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

static class Replay
{
    static T[] Numbers<T>(JsonNode array) where T : struct =>
        MemoryMarshal.Cast<byte, T>(Convert.FromBase64String((string)array["data"])).ToArray(); // little-endian

    static long[] Shape(JsonNode array) => array["shape"].AsArray().Select(size => (long)size).ToArray();

    static OrtValue Tensor(JsonNode array)
    {
        switch ((string)array["dtype"])
        {
            case "float32":
                return OrtValue.CreateTensorValueFromMemory(Numbers<float>(array), Shape(array));
            case "int64":
                return OrtValue.CreateTensorValueFromMemory(Numbers<long>(array), Shape(array));
            case "string":
                OrtValue value = OrtValue.CreateTensorWithEmptyStrings(OrtAllocator.DefaultInstance, Shape(array));
                string[] strings = array["data"].AsArray().Select(text => (string)text).ToArray();
                for (int i = 0; i < strings.Length; i++) value.StringTensorSetElementAt(strings[i].AsSpan(), i);
                return value;
            default:
                throw new NotSupportedException("a type that this program does not read: " + array["dtype"]);
        }
    }

    // The largest fraction of its tolerance that an element uses.
    static double Used(OrtValue found, JsonNode expected, JsonNode tolerance)
    {
        var info = found.GetTensorTypeAndShape();
        if ((string)expected["dtype"] != "float32" || info.ElementDataType != TensorElementType.Float
            || !info.Shape.SequenceEqual(Shape(expected))) return double.PositiveInfinity;
        float[] a = found.GetTensorDataAsSpan<float>().ToArray(), b = Numbers<float>(expected);
        float[] most = Numbers<float>(tolerance);
        double worst = 0;
        for (int i = 0; i < a.Length; i++)
        {
            // The tolerance is infinite if the element is not compared.
            if (float.IsInfinity(most[i]) || a[i] == b[i] || (float.IsNaN(a[i]) && float.IsNaN(b[i]))) continue;
            double fraction = Math.Abs((double)a[i] - b[i]) / most[i];
            worst = double.IsNaN(fraction) ? double.PositiveInfinity : Math.Max(worst, fraction);
        }
        return worst;
    }

    // Of the file with the 64 digits of this very hash taken as zeros.
    static string ContentSha256(string path, string digits)
    {
        Encoding bytes = Encoding.GetEncoding("ISO-8859-1"); // a character for each byte
        string content = bytes.GetString(File.ReadAllBytes(path)).Replace(digits, new string('0', 64));
        using (SHA256 hash = SHA256.Create())
            return BitConverter.ToString(hash.ComputeHash(bytes.GetBytes(content))).Replace("-", "").ToLowerInvariant();
    }

    static int Main(string[] args)
    {
        using (var session = new InferenceSession(args[0]))
        {
            session.ModelMetadata.CustomMetadataMap.TryGetValue("edge_predict.certificate", out string entry);
            JsonNode certificate = JsonNode.Parse(entry ?? "{\"schema_version\": 0}");
            int schema = (int)certificate["schema_version"];
            if (schema != 1 && schema != 2) throw new NotSupportedException("no certificate of version 1 or 2");
            string digits = (string)certificate["content_sha256"];
            bool passed = ContentSha256(args[0], digits) == digits;
            Console.WriteLine((passed ? "unchanged" : "CHANGED") + " since its export");
            foreach (JsonNode batch in certificate["reference"].AsArray())
            {
                var inputs = session.InputNames.ToDictionary(name => name, name => Tensor(batch["inputs"][name]));
                using (var found = session.Run(new RunOptions(), inputs, session.OutputNames))
                    for (int i = 0; i < found.Count; i++)
                    {
                        string name = session.OutputNames[i];
                        double worst = Used(found[i], batch["expected"][name], batch["tolerance"][name]);
                        passed &= worst <= 1;
                        Console.WriteLine($"{batch["kind"]}: {100 * worst:F0}% of the tolerance of {name} used");
                    }
                foreach (OrtValue input in inputs.Values) input.Dispose();
            }
            string version = OrtEnv.Instance().GetVersionString();
            Console.WriteLine((passed ? "passed" : "NOT PASSED") + " on ONNX Runtime " + version);
            return passed ? 0 : 1;
        }
    }
}
