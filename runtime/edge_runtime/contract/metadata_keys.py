"""The keys of what an artifact and a checkpoint say about themselves."""

# In the metadata of an ONNX or ORT file, and as extra files of these names in a TorchScript archive and a .pt2.
SIGNATURE_KEY = "edge_predict.signature"
CERTIFICATE_KEY = "edge_predict.certificate"
WORKLOAD_KEY = "edge_predict.workload"
RANGES_KEY = "edge_predict.ranges"
DATA_KEY = "edge_predict.data"

# In the metadata of a checkpoint's state_dict, where torch keeps the versions of modules.
CHECKPOINT_SIGNATURE_KEY = "edge_predict"
CHECKPOINT_DATA_KEY = "edge_predict.data_sha256"
