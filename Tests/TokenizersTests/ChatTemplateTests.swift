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

  func testRaiseExceptionIsTheTemplatesOwnMessage() throws {
    let template = try ChatTemplate("\n{{ raise_exception('roles must alternate') }}")
    XCTAssertThrowsError(try template.render(messages: [], addGenerationPrompt: false, bosToken: nil, eosToken: nil)) {
      XCTAssertEqual("\($0)", "template line 2, column 19: roles must alternate")
    }
  }
}
