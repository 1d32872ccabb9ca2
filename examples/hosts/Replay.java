// Replays the certificate of an artifact. docs/hosts.md says how to build it.
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.Map;

public class Replay {
    static final ObjectMapper JSON = new ObjectMapper();
    static final OrtEnvironment ENVIRONMENT = OrtEnvironment.getEnvironment();
    static final Map<String, OnnxJavaType> TYPES = Map.of("float32", OnnxJavaType.FLOAT, "int64", OnnxJavaType.INT64);

    static OnnxTensor tensor(JsonNode array) throws OrtException, IOException {
        long[] shape = JSON.convertValue(array.get("shape"), long[].class);
        String dtype = array.get("dtype").asText();
        if (dtype.equals("string"))
            return OnnxTensor.createTensor(ENVIRONMENT, JSON.convertValue(array.get("data"), String[].class), shape);
        if (!TYPES.containsKey(dtype)) throw new IOException("a type that this program does not read: " + dtype);
        byte[] bytes = array.get("data").binaryValue(); // base64 of numbers, little-endian
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.LITTLE_ENDIAN).put(bytes).rewind();
        return OnnxTensor.createTensor(ENVIRONMENT, buffer, shape, TYPES.get(dtype));
    }

    /** The largest fraction of its tolerance that an element uses. */
    static double used(OnnxTensor found, OnnxTensor expected, OnnxTensor tolerance) {
        TensorInfo info = found.getInfo(), wanted = expected.getInfo();
        if (info.type != OnnxJavaType.FLOAT || wanted.type != OnnxJavaType.FLOAT
                || !Arrays.equals(info.getShape(), wanted.getShape())) return Double.POSITIVE_INFINITY;
        FloatBuffer a = found.getFloatBuffer(), b = expected.getFloatBuffer(), most = tolerance.getFloatBuffer();
        double worst = 0;
        while (a.hasRemaining()) {
            float one = a.get(), other = b.get(), limit = most.get(); // infinite if the element is not compared
            if (Float.isInfinite(limit) || one == other || (Float.isNaN(one) && Float.isNaN(other))) continue;
            double fraction = Math.abs((double) one - other) / limit;
            worst = Double.isNaN(fraction) ? Double.POSITIVE_INFINITY : Math.max(worst, fraction);
        }
        return worst;
    }

    /** Of the file with the 64 digits of this very hash taken as zeros. */
    static String contentSha256(Path file, String digits) throws Exception {
        // A character for each byte, and back.
        String content = Files.readString(file, StandardCharsets.ISO_8859_1).replace(digits, "0".repeat(64));
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(content.getBytes(StandardCharsets.ISO_8859_1));
        return HexFormat.of().formatHex(hash);
    }

    static boolean replay(String path) throws Exception {
        try (OrtSession session = ENVIRONMENT.createSession(path)) {
            String entry = session.getMetadata().getCustomMetadata().getOrDefault("edge_predict.certificate", "{}");
            JsonNode certificate = JSON.readTree(entry);
            int version = certificate.path("schema_version").asInt();
            if (version != 1 && version != 2) throw new IOException("no certificate of version 1 or 2");
            String digits = certificate.get("content_sha256").asText();
            boolean passed = contentSha256(Path.of(path), digits).equals(digits);
            System.out.println((passed ? "unchanged" : "CHANGED") + " since its export");
            for (JsonNode batch : certificate.get("reference")) {
                Map<String, OnnxTensor> inputs = new HashMap<>();
                for (Iterator<String> names = batch.get("inputs").fieldNames(); names.hasNext();) {
                    String name = names.next();
                    inputs.put(name, tensor(batch.get("inputs").get(name)));
                }
                try (OrtSession.Result found = session.run(inputs)) {
                    for (String name : session.getOutputNames()) {
                        OnnxTensor expected = tensor(batch.get("expected").get(name));
                        OnnxTensor tolerance = tensor(batch.get("tolerance").get(name));
                        double worst = used((OnnxTensor) found.get(name).get(), expected, tolerance);
                        passed &= worst <= 1;
                        System.out.printf("%s: %.0f%% of the tolerance of %s used%n",
                                batch.get("kind").asText(), 100 * worst, name);
                    }
                }
            }
            System.out.println((passed ? "passed" : "NOT PASSED") + " on ONNX Runtime " + ENVIRONMENT.getVersion());
            return passed;
        }
    }

    public static void main(String[] args) throws Exception {
        System.exit(replay(args[0]) ? 0 : 1);
    }
}
