// Small valid inputs of each format, and the words that mutations put in. Tokenizer files are the tests' own fixtures.

import Formats

extension FuzzTarget {
  /// What damaged inputs are made from.
  ///
  /// - Parameter fixtures: The folder of tokenizer files, `Tests/TokenizersTests/Fixtures`.
  public func mutator(fixtures: String) throws -> Mutator {
    let files = try fixtureNames.map { try FileContents.read("\(fixtures)/\($0)") }
    return Mutator(corpus: texts.map { Array($0.utf8) } + binaries + files, words: words.map { Array($0.utf8) })
  }

  private var fixtureNames: [String] {
    switch self {
    case .gguf: ["smollm.gguf", "sentencepiece.gguf"]
    case .tokenizerJSON: ["gpt2", "legacy", "llama3", "metaspace", "qwen2"].map { "\($0)/tokenizer.json" }
    case .tokenizerModel: ["sentencepiece/tokenizer.model", "sentencepiece_other/tokenizer.model"]
    default: []
    }
  }

  private var binaries: [[UInt8]] {
    switch self {
    case .gguf: [smallGGUF(version: 3), smallGGUF(version: 2)]
    case .safetensors:
      [
        safetensorsFile(
          #"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}"#, 22),
        safetensorsFile(#"{"__metadata__":{"format":"pt"},"x":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#, 8),
        safetensorsFile(
          #"{"e":{"dtype":"U8","shape":[0,5],"data_offsets":[0,0]},"f":{"dtype":"F16","shape":[1,1,2],"data_offsets":[0,4]}}"#, 4),
        safetensorsFile("{}", 0),
      ]
    default: []
    }
  }

  private var texts: [String] {
    switch self {
    case .jinja: jinjaTexts
    case .json: jsonTexts
    case .jsonLines:
      [jsonTexts.joined(separator: "\n"), "{\"a\": 1}\n\n{\"b\": [2, 3]}\r\n\"x\"\n", "{\"prompt\": \"p\", \"chosen\": \"c\"}\n"]
    case .language: languageTexts
    case .tokenizerJSON: [smallTokenizer]
    default: []
    }
  }

  private var words: [String] {
    switch self {
    case .gguf: ["general.alignment", "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.merges", "gpt2", "llama", "GGUF"]
    case .safetensors: ["\"dtype\"", "\"shape\"", "\"data_offsets\"", "F32", "[0,0]", "[]", "{}", "-1", "\"__metadata__\"", "null"]
    case .tokenizerJSON:
      [
        "\"vocab\"", "\"merges\"", "\"type\"", "\"BPE\"", "\"Sequence\"", "\"Split\"", "\"ByteLevel\"", "\"Metaspace\"", "\"Replace\"",
        "\"Prepend\"", "\"added_tokens\"", "null", "true", "{}", "[]", "\"id\":", "-1", "1e9", "\"byte_fallback\":true", "\\u0000",
      ]
    case .tokenizerModel: ["\u{0A}", "\u{12}", "▁", "<0x00>", "\u{7F}\u{7F}\u{7F}\u{7F}\u{7F}", "\u{08}"]
    case .jinja: jinjaWords
    case .json, .jsonLines:
      ["{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud800", "\\udc00", "\\\"", "null", "true", "false", "-", "1e", "\u{FEFF}", "NaN"]
    case .language: languageWords
    }
  }
}

private let jsonTexts = [
  #"{"a": [1, -2.5e-3, true, false, null], "b": {"c": "é\n\u0041\ud83d\ude00"}, "": ""}"#, "[[[[]]]]", "\"text\"", "-0.0", "[1,2,3]",
  #"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ahoy"}]}"#, " { \"k\" : 1E+2 } ",
]

private let jinjaTexts = [
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token }}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}{% endfor %}",
  "{%- set ns = namespace(found=false, n=0) -%}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}{{ loop.index0 ~ ns.n }}{% else %}none{% endfor %}",
  "{% macro show(x, y=2) %}[{{ x | trim | upper }}{{ y }}]{% endmacro %}{{ show('a ', y=3) }}{{ messages[::-1][0]['content'] | tojson(indent=2) }}",
  "{% if tools is not none and tools is iterable %}{{ tools | length }}{% elif messages[0].content is string %}{{ messages[0].content.split(' ')[-1].strip() }}{% endif %}",
  "{% set t %}block {{ 1 + 2 * 3 // 2 % 5 ** 2 }}{% endset %}{{ t | replace('b', 'c') }}{# comment #}{% raw %}{{ raw }}{% endraw %}",
  "{% for k, v in {'a': 1, 'b': [2, 3]}.items() %}{{ k }}={{ v | join(',') if v is sequence else v }}{{ '%s' % k }}{% break %}{% endfor %}",
  "{% for m in messages %}{% generation %}{{ m.content | default('x', true) | string | safe }}{% endgeneration %}{% continue %}{% endfor %}{{ range(3) | list | map('string') | join }}",
  "{{ strftime_now('%Y-%m-%d') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{% if not messages %}{{ raise_exception('no') }}{% endif %}",
]

private let jinjaWords = [
  "{{", "}}", "{%", "%}", "{%-", "-%}", "{#", "#}", " if ", " else ", "endif", "for x in messages", "endfor", "set x = ", "macro m(a)",
  "endmacro", "namespace()", "ns.x", "loop.index", "loop.previtem", "recursive", "range(9)", " | ", "tojson", "| length", "| map('upper')",
  "is defined", "not in", "**", "//", "~", "[::-1]", "[1:]", ".items()", ".format(1)", "'%5d' % 3", "generation", "call", "filter", "raw",
  "endraw", "break", "continue", "\\n", "'", "\"", "(", ")", "[", "]", "{", "}", "m(", "999999999999", "1e308", ".__class__", "é",
]

private let languageTexts = [
  "x = [n * n for n in 1...5 if n % 2 == 1]\nfn mean_of(xs, scale = 1) { sum(xs) / len(xs) * scale }\nprint(x |> map(n => n / 2))",
  "if a > 3 { print(\"mean \\(a, \".2f\")\") } else if b { 1 } else { 2 }\nfor k, v in {lr: 5e-7, \"b c\": 0.1} { k.v[1:2, ...] += 1 }",
  "r = try { 1 / [1] } catch e { e.message }\nlet a, b = f(1, x: 2)\nwhile true { break; continue }\n# %% Cell\nassert x == 1, \"no\"",
  "test \"t\" { assert close(1, 1.0) }\nimport \"a.zs\" as a\nrun \"b.zs\"\nfail \"x\"\ns = \"\"\"\n  a\n  b\n  \"\"\"\nr\"\\d\"; x => { x: 1 }",
  "m.f(a).g[0].h ?? none\n-2 ** 2 not in [1, 2] and not true or 0xff_f == 1_000.5e-3 @ y\n(a, b = 1) => a + b",
]

private let languageWords = [
  "x", "f", "1", "2.5", "\"a\"", "\"\\(x)\"", "\"\"\"\n", "r\"a\"", "(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "...", "..<", "=",
  "==",
  "+=", "|>", "=>", "??", "\n", " ", "if ", "else ", "for ", "while ", "in ", "fn ", "return ", "let ", "try ", "catch e ", "and ", "not ",
  "none", "fail ", "assert ", "# %% c\n", "#", "'", "\\", "&&", "!", "é", "\u{0}", "🙂", "\t", "0x", "1e", "9223372036854775808",
  "\\u{110000}",
]

/// A byte-level tokenizer with few pieces.
private let smallTokenizer = """
  {"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":8,"content":"<|end|>","special":true,"lstrip":false,"rstrip":true,\
  "normalized":false,"single_word":false}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits",\
  "individual_digits":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]},"post_processor":null,\
  "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
  "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"vocab":{"a":0,"b":1,"c":2,"ab":3,"Ġ":4,"Ġa":5,"Ġab":6,"1":7},\
  "merges":["a b","Ġ a","Ġ ab"]}}
  """

private func little(_ value: UInt64, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) } }

private func safetensorsFile(_ header: String, _ data: Int) -> [UInt8] {
  little(UInt64(header.utf8.count), 8) + Array(header.utf8) + [UInt8](repeating: 7, count: data)
}

/// A GGUF file with values of every kind and two tensors.
private func smallGGUF(version: UInt64) -> [UInt8] {
  func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count), 8) + Array(text.utf8) }
  func pair(_ key: String, _ type: UInt64, _ value: [UInt8]) -> [UInt8] { string(key) + little(type, 4) + value }
  let numbers = (0...7).map { pair("n.\($0)", $0, little(1, [1, 1, 2, 2, 4, 4, 4, 1][Int($0)])) }
  let wide = (10...12).map { pair("w.\($0)", $0, little(1, 8)) }
  let rest = [
    pair("general.architecture", 8, string("llama")), pair("general.alignment", 4, little(32, 4)),
    pair("list", 9, little(4, 4) + little(3, 8) + little(1, 4) + little(2, 4) + little(3, 4)),
    pair("tokenizer.ggml.model", 8, string("gpt2")),
    pair("tokenizer.ggml.tokens", 9, little(8, 4) + little(3, 8) + string("a") + string("b") + string("ab")),
    pair("tokenizer.ggml.merges", 9, little(8, 4) + little(1, 8) + string("a b")),
  ]
  let pairs = numbers + wide + rest
  let tensors =
    string("t") + little(2, 4) + little(4, 8) + little(2, 8) + little(0, 4) + little(0, 8) + string("q") + little(1, 4) + little(32, 8)
    + little(8, 4) + little(32, 8)
  var file = Array("GGUF".utf8) + little(version, 4) + little(2, 8) + little(UInt64(pairs.count), 8) + pairs.flatMap { $0 } + tensors
  file += [UInt8](repeating: 0, count: (32 - file.count % 32) % 32)
  return file + [UInt8](repeating: 1, count: 32 + 34)
}
