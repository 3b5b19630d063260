// The forms of conversation that chat models were trained on, through ChatTemplate.

import Formats
import Tokenizers
import XCTest

final class ChatTemplateTests: XCTestCase {
  private let talk = [
    Message(role: "system", content: "Be brief."), Message(role: "user", content: "Hi <b>\"you\"</b>"),
    Message(role: "assistant", content: "Hello é"),
    Message(role: "user", content: "{{ 1 + 1 }} {% if %}"),
  ].map(\.json)

  func testTagsAndNewlinesBetweenBlocks() throws {
    let template = try ChatTemplate(
      """
      {% for message in messages %}
      {% if message['role'] == 'user' %}
      {{ '<|user|>\\n' + message['content'] + eos_token }}
      {% elif message['role'] == 'system' %}
      {{ '<|system|>\\n' + message['content'] + eos_token }}
      {% elif message['role'] == 'assistant' %}
      {{ '<|assistant|>\\n'  + message['content'] + eos_token }}
      {% endif %}
      {% if loop.last and add_generation_prompt %}
      {{ '<|assistant|>' }}
      {% endif %}
      {% endfor %}

      """)
    let expected =
      "<|system|>\nBe brief.</s>\n<|user|>\nHi <b>\"you\"</b></s>\n<|assistant|>\nHello é</s>\n<|user|>\n{{ 1 + 1 }} {% if %}</s>\n"
    XCTAssertEqual(try template.render(messages: talk, addGenerationPrompt: false, bosToken: "<s>", eosToken: "</s>"), expected)
    XCTAssertEqual(
      try template.render(messages: talk, addGenerationPrompt: true, bosToken: "<s>", eosToken: "</s>"), expected + "<|assistant|>\n")
    XCTAssertEqual(try template.render(messages: [], addGenerationPrompt: true, bosToken: nil, eosToken: nil), "")
    XCTAssertThrowsError(try template.render(messages: talk, addGenerationPrompt: true, bosToken: nil, eosToken: nil)) {
      XCTAssertEqual(($0 as? TemplateError)?.message, "'eos_token' is undefined")
      XCTAssertEqual(($0 as? TemplateError)?.line, 5)
    }
  }

  func testExtraVariablesAndGenerationSpans() throws {
    let template = try ChatTemplate(
      "{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}[{{ m.content }}]{% endif %}{% endfor %}{{ tools is none }}"
    )
    let rendering = try template.rendering(messages: Array(talk.prefix(3)), addGenerationPrompt: false, bosToken: "<s>", eosToken: nil)
    XCTAssertEqual(rendering.text, "<s>[Be brief.][Hi <b>\"you\"</b>]Hello éTrue")
    XCTAssertEqual(rendering.generations.map { String(decoding: Array(rendering.text.utf8)[$0], as: UTF8.self) }, ["Hello é"])
    let tools: JSON = [["name": "f", "parameters": ["x": 1.0]]]
    let text = try template.render(messages: [], addGenerationPrompt: false, bosToken: "", eosToken: nil, extra: ["tools": tools])
    XCTAssertEqual(text, "[{\"name\": \"f\", \"parameters\": {\"x\": 1.0}}]False")
  }

  /// The marks in tokens: a token that reaches over the end of a part belongs to it, as in transformers.
  func testGenerationMasks() throws {
    let template = try ChatTemplate(
      "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}"
    )
    let tokenizer = try Tokenizer(directory: Fixture.path("smollm"))
    let encode = { (text: String) in tokenizer.encode(text, special: true) }
    let messages = (talk + [Message(role: "assistant", content: "Two!").json])
    let rendering = try template.rendering(messages: messages, addGenerationPrompt: false, bosToken: nil, eosToken: nil)
    let ids = encode(rendering.text)
    let mask = try XCTUnwrap(rendering.generationMask(ids, encode: encode))
    XCTAssertEqual(tokenizer.decode(zip(ids, mask).filter { $0.1 }.map { $0.0 }), "Hello éTwo!")
    XCTAssertEqual(mask.count, ids.count)
    let unmarked = try ChatTemplate("{{ messages[0].content }}")
    let plain = try unmarked.rendering(messages: talk, addGenerationPrompt: false, bosToken: nil, eosToken: nil)
    XCTAssertNil(plain.generationMask(encode(plain.text), encode: encode))
  }

  /// What transformers does to a conversation before the template sees it.
  func testLastMessagesAreContinuedAndReasoningHasAllItsNames() throws {
    let template = try ChatTemplate(
      "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{% if m.thinking %}({{ m.thinking }}{{ m.reasoning_content }}){% endif %};{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    func text(_ messages: [JSON], _ options: RenderOptions) throws -> String {
      try template.rendering(messages: messages, options: options).text
    }
    let asked: JSON = ["role": "user", "content": "U"]
    XCTAssertEqual(try text([asked], RenderOptions()), "[user]U;[assistant]")
    let open = RenderOptions(generationPrompt: false, continueFinalMessage: true)
    XCTAssertEqual(try text([asked, ["role": "assistant", "content": "Once upon "]], open), "[user]U;[assistant]Once upon")
    XCTAssertEqual(
      try text([asked, ["role": "assistant", "content": "x", "reasoning": "R"]], RenderOptions(generationPrompt: false)),
      "[user]U;[assistant]x(RR);")
    for (messages, part) in [([], "no last message"), ([["role": "assistant", "tool_calls": []]], "no content")] as [([JSON], String)] {
      XCTAssertThrowsError(try text(messages, open)) { XCTAssertTrue("\($0)".contains(part), "\($0)") }
    }
    let forgetful = try ChatTemplate("{% for m in messages %}{{ m.role }}{% endfor %}")
    XCTAssertThrowsError(try forgetful.rendering(messages: [asked], options: open)) {
      XCTAssertTrue("\($0)".contains("cannot be continued"))
    }
    XCTAssertThrowsError(try text([asked], RenderOptions(generationPrompt: true, continueFinalMessage: true)))
    let variables = try ChatTemplate("{{ tools[0] }}{{ documents }}{{ x }}{{ bos_token }}")
    let options = RenderOptions(tools: ["t"], documents: ["d"], variables: ["x": 1, "bos_token": "<b>"], bosToken: "<s>")
    XCTAssertEqual(try variables.rendering(messages: [], options: options).text, "t['d']1<b>")
  }

  func testRaiseExceptionIsTheTemplatesOwnMessage() throws {
    let template = try ChatTemplate("\n{{ raise_exception('roles must alternate') }}")
    XCTAssertThrowsError(try template.render(messages: [], addGenerationPrompt: false, bosToken: nil, eosToken: nil)) {
      XCTAssertEqual("\($0)", "template line 2, column 19: roles must alternate")
    }
  }
}
