"""Models in ONNX's own notation, of every kind of input; tests/runtime/models/make.py makes the files."""

KINDS = """
<ir_version: 8, opset_import: ["" : 17]>
kinds (optional(float[n]) maybe, seq(float[m]) several, float[] any, float[n] x, float[1] weight = {2.0})
    => (bool given, float[n] taken, seq(float[m]) same, float sum, int64 rank, float[n] scaled)
{
    given = OptionalHasElement(maybe)
    taken = If (given) <
        then_branch = yes () => (float[n] value) { value = OptionalGetElement(maybe) },
        else_branch = no () => (float[1] nothing) { nothing = Constant <value_floats = [-1.0]> () }
    >
    same = Identity(several)
    sum = ReduceSum <keepdims = 0> (any)
    shape = Shape(any)
    rank = Size(shape)
    scaled = Mul(x, weight)
}
"""
MAPS = """
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
maps (map(string, float[]) counts) => (seq(map(string, float[])) back)
{
    row = ai.onnx.ml.DictVectorizer <string_vocabulary = ["a", "b"]> (counts)
    back = ai.onnx.ml.ZipMap <classlabels_strings = ["a", "b"]> (row)
}
"""
HALF = """
<ir_version: 8, opset_import: ["" : 17]>
half (bfloat16[n] x) => (float[n] wide, bfloat16[n] narrow)
{
    wide = Cast <to = 1> (x)
    narrow = Cast <to = 16> (wide)
}
"""
QUARTER = """
<ir_version: 10, opset_import: ["" : 21]>
quarter (int4[n] x, float8e5m2[m] y) => (float[n] wide, int4[n] same, uint4[n] without_sign, float8e5m2[m] y_same)
{
    wide = Cast <to = 1> (x)
    same = Cast <to = 22> (wide)
    positive = Abs(wide)
    without_sign = Cast <to = 21> (positive)
    y_wide = Cast <to = 1> (y)
    y_same = Cast <to = 19> (y_wide)
}
"""

TEXTS = {"kinds": KINDS, "maps": MAPS, "half": HALF, "quarter": QUARTER}
