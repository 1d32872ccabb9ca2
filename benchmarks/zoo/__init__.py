"""The zoo: real networks of all families, exported by torch's exporter alone and by edge-predict, both judged.

    python -m benchmarks.zoo --list
    python -m benchmarks.zoo --only resnet18 minilm

`registry.networks()` has them. Nothing but torch is imported before a network is made.
"""
