// Answers one row with the artifact of birds.csv. docs/hosts.md says how to build it.
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;

public class Answer {
    public static void main(String[] args) throws Exception {
        try (OrtEnvironment environment = OrtEnvironment.getEnvironment();
                OrtSession session = environment.createSession(args[0])) {
            String text = session.getMetadata().getCustomMetadata().get("edge_predict.signature");
            JsonNode labels = new ObjectMapper().readTree(text).get("labels");

            // bill_mm, depth_mm, flipper_mm, mass_g (missing), ringed, observer
            float[][] x = {{48.4f, 19.1f, 196, Float.NaN, 0, 2}};
            String[][] strings = {{"Dream", "female"}}; // island, sex; "" is missing
            Map<String, OnnxTensor> inputs = Map.of(
                    "x", OnnxTensor.createTensor(environment, x),
                    "text", OnnxTensor.createTensor(environment, strings));
            try (OrtSession.Result found = session.run(inputs)) {
                float[] row = ((float[][]) found.get("probabilities").get().getValue())[0];
                int best = 0;
                for (int i = 1; i < row.length; i++) best = row[i] > row[best] ? i : best;
                System.out.printf("label %s  probability %.4f%n", labels.get(best).asText(), row[best]);
            }
        }
    }
}
