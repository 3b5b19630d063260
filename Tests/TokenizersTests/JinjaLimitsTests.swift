// No template hangs, overflows the stack or fills the memory, whatever it is made of.

import Formats
import Tokenizers
import XCTest

final class JinjaLimitsTests: XCTestCase {
  private func assertRefused(_ template: String, line: UInt = #line) {
    let start = ContinuousClock.now
    XCTAssertThrowsError(
      try ChatTemplate(template).rendering(variables: ["s": "text", "l": [1, 2, 3]], now: nil, stepLimit: 500_000), template, line: line
    ) {
      XCTAssertTrue($0 is TemplateError, "\($0)", line: line)
    }
    XCTAssertLessThan(ContinuousClock.now - start, .seconds(60), template, line: line)
  }

  func testTheUsualLimitIsMetInSeconds() throws {
    let template = try ChatTemplate("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    let start = ContinuousClock.now
    XCTAssertThrowsError(try template.rendering(variables: [:])) { XCTAssertTrue("\($0)".contains("steps"), "\($0)") }
    XCTAssertLessThan(ContinuousClock.now - start, .seconds(60))
  }

  func testOddFormatsAndWidths() throws {
    assertRefused("{{ \"{0[a]]}\".format({\"a\": 1}) }}")
    XCTAssertEqual(try ChatTemplate("{{ \"-5\".zfill(-9223372036854775807 - 1) }}").rendering(variables: [:]).text, "-5")
  }

  func testLoopsThatTakeTooLong() {
    assertRefused("{% set d = dict.fromkeys(range(9000)) %}{% for i in range(99999) %}{% for k in d %}{% break %}{% endfor %}{% endfor %}")
    assertRefused("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    assertRefused("{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}")
    assertRefused("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}")
    assertRefused("{% for i in [l] recursive %}{{ loop([l]) }}{% endfor %}")
    assertRefused("{% set ns = namespace(f=range(90000)|list) %}{% for i in range(99999) %}{% if 5.5 in ns.f %}{% endif %}{% endfor %}")
  }

  func testTextsThatGrowTooLong() {
    assertRefused("{{ 'abc' * 999999999999 }}")
    assertRefused("{{ 'x' * 60000000 }}{{ 'x' * 60000000 }}")
    assertRefused("{% set ns = namespace(t='ab') %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}")
    assertRefused("{% set ns = namespace(t='ab') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}")
    assertRefused("{% set t = 'ab' * 9999999 %}{{ t.replace('a', t) }}")
    assertRefused("{% set t = 'ab' * 9999999 %}{{ t.join(range(99999) | map('string')) }}")
    assertRefused("{% set t = 'ab' * 9999999 %}{{ range(99999) | join(t) }}")
    assertRefused("{{ '%99999999d' % 5 }}")
    assertRefused("{{ '{:99999999}'.format(5) }}")
    assertRefused("{{ 'x'.center(99999999999) }}")
    assertRefused("{{ l | tojson(indent=99999999) }}")
    assertRefused("{{ [1] * 999999999 }}")
    assertRefused("{{ range(5) | batch(99999999, 1) | list }}")
    assertRefused("{{ 9 ** 9 ** 9 }}")
    assertRefused("{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}")
  }

  func testValuesThatNestTooDeep() {
    let grow = { (step: String) in "{% set ns = namespace(v=1) %}{% for i in range(90000) %}{% set ns.v = \(step) %}{% endfor %}" }
    assertRefused(grow("[ns.v]"))
    assertRefused(grow("(ns.v,)"))
    assertRefused(grow("{'a': ns.v}"))
    assertRefused(grow("{'a': ns.v}.items()"))
    assertRefused(grow("[ns.v] | map('list')"))
    assertRefused(grow("[ns.v].count"))
    assertRefused(grow("cycler(ns.v)"))
    // Sharing makes a value that is small in memory and endless on paper.
    let doubled = "{% set ns = namespace(v=1) %}{% for i in range(90) %}{% set ns.v = [ns.v, ns.v] %}{% endfor %}"
    for use in [
      "{{ ns.v }}", "{{ ns.v | tojson }}", "{{ ns.v == ns.v + [] }}",
      "{% set a = [ns.v, 1] %}{% set b = [ns.v, 2] %}{{ a == b }}{{ a < b }}",
    ] {
      assertRefused(doubled + use)
    }
    let tuples = "{% set ns = namespace(v=1) %}{% for i in range(90) %}{% set ns.v = (ns.v, ns.v) %}{% endfor %}"
    assertRefused(tuples + "{{ {ns.v: 1} }}")
  }

  func testRingsAreFreed() throws {
    let chain = "{% set ns = namespace(v=none) %}{% for i in range(90000) %}{% set ns.v = namespace(v=ns.v) %}{% endfor %}ok"
    XCTAssertEqual(try ChatTemplate(chain).rendering(variables: [:]).text, "ok")
    let ring = "{% set ns = namespace() %}{% set ns.me = ns %}{% macro m() %}{{ m }}{% endmacro %}{% set ns.m = m %}ok"
    XCTAssertEqual(try ChatTemplate(ring).rendering(variables: [:]).text, "ok")
    assertRefused("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}")
    let closures =
      "{% set ns = namespace(m=none) %}{% for i in range(20000) %}{% set old = ns.m %}{% macro m() %}{{ old }}{% endmacro %}{% set ns.m = m %}{% endfor %}ok"
    XCTAssertEqual(try ChatTemplate(closures).rendering(variables: [:]).text, "ok")
  }

  func testTemplatesThatNestTooDeep() {
    for count in [100, 1000, 100_000] {
      assertRefused("{{ " + String(repeating: "(", count: count) + "1" + String(repeating: ")", count: count) + " }}")
      assertRefused("{{ " + String(repeating: "[", count: count) + String(repeating: "]", count: count) + " }}")
      assertRefused("{{ " + String(repeating: "not ", count: count) + "1 }}")
      assertRefused("{{ " + String(repeating: "-", count: count) + "1 }}")
      assertRefused("{{ 1" + String(repeating: " if 1 else 1", count: count) + " }}")
      assertRefused(String(repeating: "{% if 1 %}", count: count) + String(repeating: "{% endif %}", count: count))
      assertRefused("{% set " + String(repeating: "(", count: count) + "a" + String(repeating: ")", count: count) + " = 1 %}")
    }
    for count in [1000, 100_000] {
      assertRefused("{{ 1" + String(repeating: " + 1", count: count) + " }}")
      assertRefused("{{ s" + String(repeating: "[0]", count: count) + " }}")
      assertRefused("{{ s" + String(repeating: " | trim", count: count) + " }}")
      assertRefused("{{ s" + String(repeating: ".upper()", count: count) + " }}")
    }
  }

  func testDeepestAllowedFitsASmallStack() throws {
    // 512 KB is what threads get on some systems.
    let template = try ChatTemplate(
      "{% macro m(n) %}{% if n > 0 %}{% for i in [1] %}{{ (((((([m(n - 1)] | join)))))) }}{% endfor %}{% endif %}{% endmacro %}{{ m(500) }}"
    )
    let done = expectation(description: "rendered or refused")
    let thread = Thread {
      do {
        XCTFail(try template.rendering(variables: [:]).text)
      } catch {
        XCTAssertTrue(error is TemplateError, "\(error)")
      }
      done.fulfill()
    }
    thread.stackSize = 512 << 10
    thread.start()
    wait(for: [done], timeout: 60)
  }

  func testALongConversationIsNoProblem() throws {
    let messages = (0..<20_000).map {
      JSON.object(["role": .string($0 % 2 == 0 ? "user" : "assistant"), "content": .string("message \($0) ")])
    }
    let template = try ChatTemplate(
      "{% for m in messages %}{% if m['role'] == 'user' %}<u>{{ m['content'] | trim }}{% elif m.role == 'assistant' %}<a>{{ m.content }}{% endif %}{% if loop.last and add_generation_prompt %}<a>{% endif %}\n{% endfor %}"
    )
    let text = try template.render(messages: messages, addGenerationPrompt: true, bosToken: nil, eosToken: nil)
    XCTAssertTrue(text.hasPrefix("<u>message 0<a>message 1 <u>message 2"))
  }
}
