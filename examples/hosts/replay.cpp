// Replays the certificate of an artifact. docs/hosts.md says how to build it.
#include <onnxruntime_cxx_api.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
using nlohmann::json;

Ort::Value tensor(const json& array) {
  const bool strings = array["dtype"] == "string", integers = array["dtype"] == "int64";
  if (!strings && !integers && array["dtype"] != "float32")
    throw std::runtime_error("a type that this program does not read");
  const auto type = strings    ? ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING
                    : integers ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64
                               : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  const std::vector<int64_t> shape = array["shape"];
  Ort::AllocatorWithDefaultOptions allocator;
  Ort::Value value = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(), type);
  if (strings) {
    std::vector<const char*> pointers;
    for (const json& text : array["data"]) pointers.push_back(text.get_ref<const std::string&>().c_str());
    value.FillStringTensor(pointers.data(), pointers.size());
  } else {  // base64 of numbers, little-endian
    const std::string text = array["data"];
    std::vector<unsigned char> bytes(text.size() / 4 * 3);
    EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    const size_t size = value.GetTensorTypeAndShapeInfo().GetElementCount() * (integers ? 8 : 4);
    if (bytes.size() < size) throw std::runtime_error("the certificate is damaged");
    std::memcpy(value.GetTensorMutableRawData(), bytes.data(), size);
  }
  return value;
}

// The largest fraction of its tolerance that an element uses.
double used(const Ort::Value& found, const Ort::Value& expected, const Ort::Value& tolerance) {
  const auto info = found.GetTensorTypeAndShapeInfo(), wanted = expected.GetTensorTypeAndShapeInfo();
  if (info.GetElementType() != wanted.GetElementType() || info.GetShape() != wanted.GetShape()) return INFINITY;
  const float *a = found.GetTensorData<float>(), *b = expected.GetTensorData<float>();
  double worst = 0;
  for (size_t i = 0; i < info.GetElementCount(); i++) {
    const double most = tolerance.GetTensorData<float>()[i];  // infinite if the element is not compared
    if (std::isinf(most) || a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double fraction = std::abs(double(a[i]) - double(b[i])) / most;
    worst = std::isnan(fraction) ? INFINITY : std::max(worst, fraction);
  }
  return worst;
}

// Of the file with the 64 digits of this very hash taken as zeros.
std::string content_sha256(const char* path, const std::string& digits) {
  std::ifstream file(path, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {}), text;
  content.replace(content.find(digits), 64, 64, '0');
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), hash);
  for (const unsigned char byte : hash) text += "0123456789abcdef"[byte / 16], text += "0123456789abcdef"[byte % 16];
  return text;
}

int main(int, char** argv) try {
  Ort::Env env;
  Ort::Session session(env, argv[1], Ort::SessionOptions());
  Ort::AllocatorWithDefaultOptions allocator;
  const auto entry = session.GetModelMetadata().LookupCustomMetadataMapAllocated("edge_predict.certificate", allocator);
  const json certificate = json::parse(entry ? entry.get() : R"({"schema_version": 0})");
  if (certificate["schema_version"] != 1 && certificate["schema_version"] != 2)
    throw std::runtime_error("no certificate of version 1 or 2");
  bool passed = content_sha256(argv[1], certificate["content_sha256"]) == certificate["content_sha256"];
  std::printf("%s since its export\n", passed ? "unchanged" : "CHANGED");
  for (const json& batch : certificate["reference"]) {
    std::vector<const char*> names;
    std::vector<Ort::Value> inputs;
    for (auto input = batch["inputs"].begin(); input != batch["inputs"].end(); ++input) {
      names.push_back(input.key().c_str());
      inputs.push_back(tensor(*input));
    }
    for (auto output = batch["expected"].begin(); output != batch["expected"].end(); ++output) {
      const char* name = output.key().c_str();
      const auto found = session.Run(Ort::RunOptions(), names.data(), inputs.data(), names.size(), &name, 1);
      const double worst = used(found[0], tensor(*output), tensor(batch["tolerance"].at(name)));
      passed = passed && worst <= 1;
      const std::string kind = batch["kind"];
      std::printf("%s: %.0f%% of the tolerance of %s used\n", kind.c_str(), 100 * worst, name);
    }
  }
  std::printf("%s on ONNX Runtime %s\n", passed ? "passed" : "NOT PASSED", Ort::GetVersionString().c_str());
  return passed ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
  return 2;
}
