#!/usr/bin/env python3
"""Writes Tests/KernelsTests/QuantizationFixtures.swift: blocks of every GGUF type, as gguf-py packs and unpacks them.

Needs numpy and gguf:  python3 -m venv V && V/bin/pip install gguf && V/bin/python scripts/reference/quantization_fixtures.py
"""

import pathlib

import gguf
import numpy as np

TYPES = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
SUPER = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
# Where the half-precision scales of a super-block are, which must be numbers.
SCALES = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def source(rows: int) -> np.ndarray:
    """Rows of 32: noise, ties, zeros, one sign only, denormal scales, values halfway between two of a type's."""
    noise = np.random.default_rng(20231026)
    x = noise.standard_normal((rows, 32)).astype(np.float32)
    x[1] = 0
    x[2] = np.abs(x[2])
    x[3] = -np.abs(x[3])
    x[4] = np.arange(32) - 16
    x[5] = (np.arange(32) % 2) * 2 - 1
    x[6] *= np.float32(1e-6)
    x[7] = np.float32(1) + np.arange(32, dtype=np.float32) * np.float32(2.0**-9)
    return x


def literal(name: str, words: np.ndarray) -> str:
    """The words as hexadecimal digits, big-endian, in a multi-line Swift string."""
    digits = words.astype(words.dtype.newbyteorder(">")).tobytes().hex()
    lines = [digits[i : i + 128] for i in range(0, len(digits), 128)]
    return f'  static let {name} = """\n    ' + "\n    ".join(lines) + '\n    """\n'


def main() -> None:
    out = [
        "// Blocks of every GGUF type as the gguf Python package packs and unpacks them.\n"
        "// Written by scripts/reference/quantization_fixtures.py; do not edit. Hexadecimal digits: bytes, or bit patterns of floats.\n\n"
        "enum QuantizationFixtures {\n"
        "  /// The floats that are packed: eight rows of 32.\n"
    ]
    x = source(8)
    out.append(literal("source", x.view(np.uint32)))
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        packed = gguf.quants.quantize(x, kind).view(np.uint8)
        values = gguf.quants.dequantize(packed, kind).astype(np.float32)
        lower = name.lower()
        out.append(f"\n  /// {name}: the source packed, and unpacked again.\n")
        out.append(literal(f"{lower}Bytes", packed))
        out.append(literal(f"{lower}Values", values.view(np.uint32)))
    noise = np.random.default_rng(7)
    for name in SUPER:
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        packed = noise.integers(0, 256, size=(1, size), dtype=np.uint8)
        for number, offset in enumerate(SCALES[name]):
            scale = np.array([0.0173, -0.291][number], dtype=np.float16)
            packed[0, offset : offset + 2] = np.frombuffer(scale.tobytes(), np.uint8)
        values = gguf.quants.dequantize(packed, kind).astype(np.float32)
        lower = name.lower().replace("_k", "_K")
        out.append(f"\n  /// {name}: one super-block of noise, and its values.\n")
        out.append(literal(f"{lower}Bytes", packed))
        out.append(literal(f"{lower}Values", values.view(np.uint32)))
    out.append("}\n")
    target = pathlib.Path(__file__).resolve().parents[2] / "Tests/KernelsTests/QuantizationFixtures.swift"
    target.write_text("".join(out))
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
