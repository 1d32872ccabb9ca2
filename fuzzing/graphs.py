"""Models of operators that can loop, recurse, allocate, and reach beyond their tensors, in ONNX's own notation."""

_HEADER = '<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>'

_GRAPHS = (
    """loop (float[n] x) => (float[n] y) {
        trips = Constant <value_int = 3> ()
        going = Constant <value = bool {1}> ()
        y = Loop (trips, going, x) <body = step (int64 i, bool go, float[n] before) => (bool on, float[n] after) {
            on = Identity(go)
            after = Add(before, before)
        }>
    }""",
    """scan (float[n, m] x) => (float[m] last, float[n, m] sums) {
        first = Constant <value_ints = [0]> ()
        begin = ReduceSum <keepdims = 0> (x, first)
        last, sums = Scan <num_scan_inputs = 1,
          body = step (float[m] state, float[m] one) => (float[m] next, float[m] sum) {
            next = Add(state, one)
            sum = Identity(next)
        }> (begin, x)
    }""",
    """places (float[n, 4] x, int64[k, 2] at) => (float[k] found, float[n, 4] written, float[n, 2] some) {
        found = GatherND <batch_dims = 0> (x, at)
        one = Constant <value_floats = [1.0]> ()
        shape = Shape(found)
        ones = Expand(one, shape)
        written = ScatterND(x, at, ones)
        columns = Constant <value_ints = [0, 3]> ()
        some = Gather <axis = 1> (x, columns)
    }""",
    """shapes (float[n, 4] x) => (float[m] flat, float[a, b] tiled, float[c, d] padded, float[e, f] cut) {
        minus = Constant <value_ints = [-1]> ()
        flat = Reshape(x, minus)
        times = Constant <value_ints = [2, 3]> ()
        tiled = Tile(x, times)
        pads = Constant <value_ints = [0, 1, 1, 0]> ()
        padded = Pad(x, pads)
        from = Constant <value_ints = [0, 1]> ()
        to = Constant <value_ints = [9, 3]> ()
        cut = Slice(x, from, to)
    }""",
    """images (float[n, 1, 6, 6] x) => (float[n, c] y) {
        weight = Constant <value = float[2, 1, 3, 3] {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9}> ()
        found = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, weight)
        pooled = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (found)
        y = Flatten(pooled)
    }""",
    """words (string[n] x) => (int64[n] y, string[n] again) {
        y = ai.onnx.ml.LabelEncoder <keys_strings = ["a", "b"], values_int64s = [1, 2], default_int64 = 0> (x)
        again = ai.onnx.ml.LabelEncoder <keys_int64s = [1, 2], values_strings = ["a", "b"], default_string = "_"> (y)
    }""",
    """sequences (float[n, 2] x) => (float[k] y, int64 length) {
        rows = SplitToSequence <axis = 0, keepdims = 0> (x)
        zero = Constant <value_int = 0> ()
        y = SequenceAt(rows, zero)
        length = SequenceLength(rows)
    }""",
    """sizes (float[n, 2] x) => (float[a] zeros, int64[b] numbers, float[n, 2] best) {
        three = Constant <value_ints = [3]> ()
        zeros = ConstantOfShape <value = float[1] {0.5}> (three)
        begin = Constant <value_int = 0> ()
        end = Constant <value_int = 9> ()
        step = Constant <value_int = 2> ()
        numbers = Range(begin, end, step)
        two = Constant <value_ints = [2]> ()
        best, at = TopK <axis = 1> (x, two)
    }""",
)
_FUNCTIONS = (
    """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    calls (float[n] x) => (float[n] y) { y = own.outer(x) }
    <domain: "own", opset_import: ["" : 17, "own" : 1]>
    outer (x) => (y) { once = own.inner(x)  y = own.inner(once) }
    <domain: "own", opset_import: ["" : 17]>
    inner (x) => (y) { y = Add(x, x) }""",
)


def graphs() -> list[bytes]:
    """The models; none where the package onnx is not installed."""
    try:
        import onnx
    except ImportError:
        return []
    texts = [f"{_HEADER} {graph}" for graph in _GRAPHS] + list(_FUNCTIONS)
    return [onnx.parser.parse_model(text).SerializeToString() for text in texts]
