// Answers one row with the artifact of birds.csv. docs/hosts.md says how to build it.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntime;

static class Answer
{
    static void Main(string[] args)
    {
        using (var session = new InferenceSession(args[0]))
        {
            string signature = session.ModelMetadata.CustomMetadataMap["edge_predict.signature"];
            JsonNode labels = JsonNode.Parse(signature)["labels"];

            // bill_mm, depth_mm, flipper_mm, mass_g (missing), ringed, observer
            float[] x = { 48.4f, 19.1f, 196, float.NaN, 0, 2 };
            string[] strings = { "Dream", "female" }; // island, sex; "" is missing
            OrtAllocator allocator = OrtAllocator.DefaultInstance;
            using (OrtValue numbers = OrtValue.CreateTensorValueFromMemory(x, new long[] { 1, 6 }))
            using (OrtValue text = OrtValue.CreateTensorWithEmptyStrings(allocator, new long[] { 1, 2 }))
            {
                for (int i = 0; i < strings.Length; i++) text.StringTensorSetElementAt(strings[i].AsSpan(), i);
                var inputs = new Dictionary<string, OrtValue> { ["x"] = numbers, ["text"] = text };
                using (var found = session.Run(new RunOptions(), inputs, new[] { "probabilities" }))
                {
                    float[] row = found[0].GetTensorDataAsSpan<float>().ToArray();
                    int best = Array.IndexOf(row, row.Max());
                    Console.WriteLine($"label {labels[best]}  probability {row[best]:F4}");
                }
            }
        }
    }
}
