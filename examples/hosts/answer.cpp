// Answers one row with the artifact of birds.csv. docs/hosts.md says how to build it.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

int main(int, char** argv) {
  Ort::Env env;
  Ort::Session session(env, argv[1], Ort::SessionOptions());
  Ort::AllocatorWithDefaultOptions allocator;
  const auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated("edge_predict.signature", allocator);
  const auto labels = nlohmann::json::parse(text.get())["labels"];

  float x[] = {48.4f, 19.1f, 196, NAN, 0, 2};   // bill_mm, depth_mm, flipper_mm, mass_g (missing), ringed, observer
  const char* strings[] = {"Dream", "female"};  // island, sex; "" is missing
  const int64_t six[] = {1, 6}, two[] = {1, 2};
  Ort::Value inputs[] = {Ort::Value::CreateTensor<float>(allocator.GetInfo(), x, 6, six, 2),
                         Ort::Value::CreateTensor(allocator, two, 2, ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING)};
  inputs[1].FillStringTensor(strings, 2);
  const char *names[] = {"x", "text"}, *outputs[] = {"probabilities"};
  const auto found = session.Run(Ort::RunOptions(), names, inputs, 2, outputs, 1);
  const float* row = found[0].GetTensorData<float>();
  const auto best = std::max_element(row, row + labels.size()) - row;
  std::printf("label %s  probability %.4f\n", labels[best].get<std::string>().c_str(), row[best]);
}
