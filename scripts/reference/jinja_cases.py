"""Writes Tests/TokenizersTests/Fixtures/jinja.json: small templates and what jinja2 makes of them as transformers runs it.

Run with an interpreter that has transformers and jinja2:  python scripts/reference/jinja_cases.py
"""
import json
import os
import pathlib
import time

os.environ["TZ"] = "UTC"
time.tzset()

from jinja_environment import expected

CONTEXT = {
    "name": "Ada", "n": 7, "zero": 0, "x": 2.5, "yes": True, "no": False, "nothing": None, "empty": "", "text": "  Hello, World  ",
    "words": ["b", "A", "c", "a"], "numbers": [3, 1, 2], "nested": [[1, 2], [3, [4, "five"]]],
    "user": {"name": "Bob", "age": 30, "tags": ["x", "y"], "items": "shadow"}, "mixed": {"b": 1, "a": None, "C": [True, 1.0, "é"]},
    "people": [{"name": "Zoe", "age": 30, "city": "Rome"}, {"name": "adam", "age": 25, "city": "Oslo"}, {"name": "Bea", "age": 30, "city": "rome"}],
    "uni": "Zürich naïve 日本 😀", "lines": "one\ntwo\r\nthree\n\nfive", "html": "<a href=\"x\">'&'</a>", "big": 123456789012,
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}],
}

# White space, tags, comments, raw.
LAYOUT = """
a\\n{% if yes %}\\nb\\n{% endif %}\\nc
  {% if yes %}\\n  b\\n  {% endif %}\\nc
a {%- if yes -%} b {%- endif -%} c
a\\n  {%- if yes +%}\\nb\\n  {%+ endif %}\\nc
{{- name -}}   x
  {{ name }}\\n\\n
x  {#- comment -#}  y
x\\n  {# comment #}\\ny
x {#+ c +#}\\ny
{# a {{ b }} {% c %} #}z
{% raw %}{{ name }} {% if %}{% endraw %}z
a\\n  {%- raw -%}  {{ x }}  {%- endraw -%}  \\nb
{% raw %}\\n{{ x }}\\n{% endraw %}\\nb
a\\r\\nb\\rc\\n
{{ 'a\\r\\nb' }}
\\n{% if yes %}\\n\\nx{% endif %}\\n\\n
\\t{% if yes %}x{% endif %}
a\\t{% if yes %}x{% endif %}
{{ name }}\\n  {% if yes %}x{% endif %}
{% if yes %}{% endif %}  {% if yes %}x{% endif %}
{{ name -}}\\n  {% if yes %}x{% endif %}
{%- if yes -%}\\n {{ name }}\\n {%- else -%} z {%- endif %}
{ {{ name }} } {name} { % x % } {{ '{{' }} {{ '}}' }}
{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': {}} }}
{{ "%}" }}{% set q = "%}" %}{{ q }}
{{ 1\\n+\\n2 }}
{%if yes%}x{%endif%}{%-if yes-%}y{%-endif-%}
a{% if yes %}\\n\\n{% endif %}\\nb
{% for i in [1,2] -%}\\n  {{ i }}\\n{% endfor %}
{{ 'a' 'b' \\"c\\" }}
"""

LITERALS = r"""
{{ 'tab\tnl\nq\'\"\\ \x41 \u00e9 \U0001F600 \101 \q' }}
{{ "it's" }}{{ 'say "hi"' }}
{{ 1_000 }} {{ 0x1F }} {{ 0o17 }} {{ 0b101 }} {{ 00 }}
{{ 1.5 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1E20 }} {{ 1_0.2_5 }} {{ 123456789.123 }}
{{ true }} {{ True }} {{ false }} {{ False }} {{ none }} {{ None }}
{{ [1, 'a', 2.0, none, true, [], {}, ()] }}
{{ (1,) }} {{ (1, 2) }} {{ () }} {{ 1, 2 }} {{ (1) }}
{{ {'a': 1, 2: 'b', none: 3, (1, 2): 4, 1.5: 5, true: 6} }}
{{ {'a': 1, 'a': 2} }} {{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ ['it\'s', "q\"q", 'both\'"', 'nl\n', '\x00\x7f\u200b\xa0é😀'] }}
{{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e15 }} {{ 123456789012345680.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ -0.0 }} {{ 1e308 * 10 }} {{ 3.0 }}
{{ "\ud83d\ude00" }}
"""

OPERATORS = r"""
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ (-2) ** 2 }} {{ - 3 }} {{ +3 }} {{ --3 }} {{ -x }} {{ -true }}
{{ 'a' + 'b' }} {{ 'a' ~ 1 ~ none ~ 2.0 ~ undefinedthing ~ [1] }} {{ 1 ~ (2 + 3) }} {{ 'ab' * 3 }} {{ 2 * 'ab' }} {{ [1] * 2 + [2] }} {{ 'a' * -1 }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == "a" }} {{ 1 != 2 }} {{ none == none }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }} {{ (1,) == [1] }} {{ '1' == 1 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 == 2 }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ (1, 'a') <= (1, 'b') }} {{ 1 < 1.5 }}
{{ 'a' in 'abc' }} {{ 'd' not in 'abc' }} {{ 1 in [1, 2] }} {{ 'name' in user }} {{ 'zz' in user }} {{ 1 in (2, 3) }} {{ '' in 'a' }} {{ 3 in range(5) }} {{ 1.0 in [1] }}
{{ not true }} {{ not not 1 }} {{ not 1 == 2 }} {{ true and false or true }} {{ 0 or 'x' }} {{ 1 and 'y' }} {{ '' or none }} {{ none and 1 }} {{ 1 or undefinedthing.x }}
{{ 'a' if yes else 'b' }} {{ 'a' if no }}| {{ 'a' if no else 'b' if no else 'c' }} {{ ('a' if no) is undefined }} {{ 1 if yes and not no else 2 }}
{{ not 'a' in 'abc' }} {{ 'a' in 'abc' == true }} {{ 1 + 1 in [2] }} {{ 1 is odd and 2 is even }} {{ 2 is not odd }} {{ not 2 is odd }}
{{ 7 / 2 }} {{ 6 / 2 }} {{ 1 / 3 }} {{ 10 ** 15 + 0.5 }} {{ 5 - 2.5 }} {{ 3 * 1.5 }} {{ true + true }} {{ 2.0 ** 0.5 }}
{{ '%s is %d (%5.2f) %05d %x %o %e %g %r %c %% %-5s|%5s|%+d' % ('a', 3, 2.5, 42, 255, 8, 12345.678, 0.0001, 'r', 'c', 'l', 'r', 5) }}
{{ '%s' % 'one' }} {{ '%s' % [1] }} {{ '%(a)s-%(b)d' % {'a': 'x', 'b': 2} }} {{ '%.3s|' % 'abcdef' }} {{ '%5d|%-5d|' % (1, 2) }} {{ '%s' % none }} {{ '%d' % 3.7 }} {{ '%X' % 255 }} {{ '%#x' % 255 }}
{{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }}
{{ (1, 2) + (3,) }} {{ () * 3 }} {{ [] + [] }} {{ 'é' < 'z' }} {{ 'é' == 'e\u0301' }}
{{ 1 if 0.0 else 2 }}{{ 1 if [] else 2 }}{{ 1 if {} else 2 }}{{ 1 if ' ' else 2 }}{{ 1 if () else 2 }}{{ 1 if range(0) else 2 }}
"""

LOOKUP = r"""
{{ user.name }} {{ user['name'] }} {{ user.missing }}| {{ user['missing'] }}| {{ user.get('age') }} {{ user.get('zz') }} {{ user.get('zz', 'd') }}
{{ user.items is callable }} {{ user['items'] }} {{ user.items() | list }}
{{ numbers[0] }} {{ numbers[-1] }} {{ numbers.0 }} {{ numbers[9] }}| {{ nested[1][1][1] }} {{ nested.1.0 }}
{{ name[0] }} {{ name[-1] }} {{ name[9] }}| {{ uni[1] }} {{ uni[-1] }}
{{ numbers[:2] }} {{ numbers[1:] }} {{ numbers[::-1] }} {{ numbers[-2:] }} {{ numbers[5:] }} {{ numbers[:] }} {{ numbers[::2] }} {{ numbers[2:0:-1] }} {{ numbers[-100:100] }}
{{ name[1:] }} {{ name[::-1] }} {{ uni[7:13] }} {{ uni[::-1] }} {{ 'abcdef'[1:5:2] }} {{ 'abcdef'[-3:-1] }} {{ name[none:2] }}
{{ (1, 2, 3)[1:] }} {{ range(10)[2:5] | list }} {{ range(10)[3] }} {{ range(5)[-1] }}
{{ user.keys() | list }} {{ user.values() | list }} {{ user.items() }} {{ mixed.keys() }} {{ mixed.values() }}
{{ user.name.upper() }} {{ user['tags'][0] }} {{ people[0].name }} {{ people[-1]['city'] }} {{ messages[0]['role'] }} {{ messages[1:][0].content }}
{{ numbers.index(2) }} {{ numbers.count(3) }} {{ (1, 2).index(2) }} {{ numbers.copy() }} {{ user.copy() == user }}
{{ user.__class__ }}| {{ numbers.append }}| {{ user.pop }}| {{ name.__len__ }}|
{{ {1: 'a'}[1] }} {{ {1: 'a'}['1'] }}| {{ {'1': 'a'}[1] }}| {{ {true: 'a'}[1] }} {{ user[['a']] }}|
{{ [1, 2, 3][true] }} {{ name['upper']() }} {{ user['keys']() | list }} {{ 'x'.foo }}| {{ none.foo }}|
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict({'q': 1}, r=2) }} {{ dict.fromkeys(['a', 'b'], 0) }}
{{ range(3) }} {{ range(1, 4) | list }} {{ range(10, 0, -3) | list }} {{ range(0) | list }} {{ range(5) | length }} {{ range(1, 10, 2) }}
{{ x.is_integer() }} {{ (2.0).is_integer() }}
"""

STATEMENTS = r"""
{% for i in numbers %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}
{% for i in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for i in numbers %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}
{% for i in numbers %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.nextitem is undefined }} {% endfor %}
{% for k, v in user.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in user %}{{ k }};{% endfor %}{% for c in 'héy' %}{{ c }}.{% endfor %}
{% for i in [] %}x{% else %}none{% endfor %}{% for i in undefinedthing %}x{% else %}none{% endfor %}
{% for i in range(6) if i is odd %}{{ i }}:{{ loop.index }}:{{ loop.length }}{{ loop.last }} {% endfor %}
{% for i in range(6) if i > 9 %}x{% else %}nothing{% endfor %}
{% set ns = namespace(go=true) %}{% for i in range(6) if ns.go %}{{ i }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in range(3) %}{% for j in range(3) %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }}{{ loop.index }} {% endfor %}{{ loop.index }};{% endfor %}
{% for a, b in [(1, 2), [3, 4], 'xy'] %}{{ a }}{{ b }} {% endfor %}{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for i in numbers %}{{ loop.cycle('odd', 'even') }} {% endfor %}{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}
{% for i in [1, [2, [3]]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}@{{ loop.depth }}{{ loop.depth0 }}{% endif %}{% endfor %}
{% set x = 1 %}{% for i in range(3) %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}
{% set ns = namespace(total=0, found=false) %}{% for i in numbers %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}{{ ns.found }}{{ ns.missing }}|{{ ns['total'] }}
{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{% set ns2 = namespace({'q': 2}) %}{{ ns2.q }} {{ ns }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set c = 1, %}{{ c }}{% set (p, q) = (8, 9) %}{{ p }}{{ q }}
{% set x %}  block {{ name }}  {% endset %}[{{ x }}]{% set y | trim | upper %}  block {{ name }}  {% endset %}[{{ y }}]
{% set q %}{% set inner = 5 %}{{ inner }}{% endset %}{{ q }}{{ inner }}|
{% if no %}a{% elif zero %}b{% elif n == 7 %}c{% else %}d{% endif %}{% if no %}{% set hidden = 1 %}{% else %}{% set hidden = 2 %}{% endif %}{{ hidden }}
{% macro hello(who, greeting='Hello', mark='!') %}{{ greeting }}, {{ who }}{{ mark }}{% endmacro %}{{ hello('A') }} {{ hello('B', mark='?') }} {{ hello(who='C', greeting='Hi') }} {{ hello() }}
{% macro outer(x) %}[{{ inner(x) }}]{% endmacro %}{% macro inner(x) %}({{ x }}){% endmacro %}{{ outer(1) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro v() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(1, 2, a=3) }}{{ v.name }}{{ v }}
{% macro d(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ d(1) }}{{ d(1, 2) }}{{ d() }}|
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}x{{ name }}{% endcall %}
{% macro each(l) %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) each([1, 2]) %}<{{ i }}>{% endcall %}
{% set v = 1 %}{% macro m() %}{{ v }}{% endmacro %}{% set v = 2 %}{{ m() }}{% for v in [9] %}{{ m() }}{% endfor %}
{% macro m() %}{% set z = 5 %}{{ z }}{% endmacro %}{{ m() }}{{ z }}|
{% macro ws() %}\n  a\n{% endmacro %}[{{ ws() }}][{{ ws() | trim }}]{{ ws() | length }}
{% filter upper %}a{{ name }}{% endfilter %}{% filter replace('a', 'b') | trim %} aaa {% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}|{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}|
{% block body %}b{{ name }}{% endblock %}{% block x scoped %}y{% endblock x %}
{% print 1, 'a', name %}{% autoescape false %}{{ html }}{% endautoescape %}
{% generation %}gen {{ name }}{% endgeneration %} out {%- generation -%} é {% endgeneration %}
{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}
{% generation %}{% set hidden = 1 %}{{ hidden }}{% endgeneration %}{{ hidden }}|
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}1{{ j() }}2
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %A %j %%') }}{{ strftime_now('') }}
{% for i in range(3) %}{% set loop_index = loop.index %}{% for j in range(2) %}{{ loop_index }}{{ j }} {% endfor %}{% endfor %}
{% for i in numbers %}{{ loop }}{% endfor %}{% for i in user.items() %}{{ i }}{{ i[0] }}{% endfor %}
{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}x{% endif %}{{ message['role'] }}{% endfor %}
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set sys = messages[0]['content'] %}{% endif %}{{ loop_messages | length }}{{ sys }}
{% set dict_ = {'a': {'b': [1, 2, {'c': 3}]}} %}{{ dict_.a.b[2].c }}{{ dict_['a']['b'][-1]['c'] }}
{% for i in range(2) %}{% macro inloop() %}{{ i }}{% endmacro %}{{ inloop() }}{% endfor %}
{% set outer = 'o' %}{% macro m(outer) %}{{ outer }}{% endmacro %}{{ m('i') }}{{ outer }}
{% for x in [1, 2] %}{{ x }}{% endfor %}{{ x }}
{% for name in [1] %}{{ name }}{% endfor %}{{ name }}
{% if yes %}{% for i in [1] %}{% if yes %}{% set deep = i %}{{ deep }}{% endif %}{% endfor %}{% endif %}{{ deep is defined }}
{% set ns = namespace(items=[]) %}{% for i in [1, 2] %}{% set ns.items = ns.items + [i * 2] %}{% endfor %}{{ ns.items }}
"""

TESTS = r"""
{{ name is defined }} {{ zz is defined }} {{ zz is undefined }} {{ user.zz is defined }} {{ user.name is defined }} {{ zz is not defined }}
{{ none is none }} {{ nothing is none }} {{ zz is none }} {{ 0 is none }} {{ nothing is not none }} {{ nothing is defined }}
{{ 'a' is string }} {{ 1 is string }} {{ zz is string }} {{ user is mapping }} {{ [] is mapping }} {{ 'a' is mapping }}
{{ [] is iterable }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ user is iterable }} {{ none is iterable }} {{ zz is iterable }} {{ range(2) is iterable }}
{{ [] is sequence }} {{ 'a' is sequence }} {{ user is sequence }} {{ 1 is sequence }} {{ () is sequence }} {{ user.items() is sequence }} {{ zz is sequence }} {{ ([1] | map('string')) is sequence }}
{{ true is boolean }} {{ 1 is boolean }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }} {{ none is false }}
{{ 1 is integer }} {{ true is integer }} {{ 1.0 is integer }} {{ 1.0 is float }} {{ 1 is float }} {{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ 'a' is number }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ -3 is odd }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aB' is lower }} {{ '1' is upper }} {{ 'A1' is upper }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 2 is gt 1 }} {{ 2 is greaterthan 3 }} {{ 1 is lt 2 }} {{ 1 is lessthan 0 }} {{ 2 is ge 2 }} {{ 2 is le 1 }}
{{ 1 is in [1, 2] }} {{ 'a' is in 'abc' }} {{ 3 is not in [1] }} {{ none is sameas none }} {{ true is sameas true }} {{ 1 is sameas true }}
{{ range is callable }} {{ name is callable }} {{ name.upper is callable }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ 'nope' is test }}
{{ html | e is escaped }} {{ (html | e) is escaped }} {{ html is escaped }}
{{ user.name is string and user.age is number }} {{ (user.tags is string) or user.tags is iterable }}
{{ x is divisibleby 2.5 }} {{ namespace is callable }} {{ [1] is eq [1] }}
"""

FILTERS = r"""
{{ text | trim }}| {{ text | trim | length }} {{ 'xxaxx' | trim('x') }} {{ 5 | trim }} {{ none | trim }} {{ '\n a \t' | trim }}|
{{ name | upper }} {{ name | lower }} {{ 'hello wORLD' | capitalize }} {{ 'hello wORLD-foo (bar' | title }} {{ uni | upper }} {{ 'ÀÉ' | lower }} {{ 'ß' | upper }} {{ 1 | upper }}
{{ numbers | length }} {{ name | length }} {{ uni | length }} {{ user | length }} {{ numbers | count }} {{ zz | length }}
{{ numbers | join }} {{ numbers | join(', ') }} {{ people | join(', ', attribute='name') }} {{ 'abc' | join('-') }} {{ [1, none, 'x', 2.0] | join('|') }} {{ [] | join(',') }} {{ user | join(',') }}
{{ zz | default('d') }} {{ name | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ none | default('d') }} {{ none | default('d', boolean=true) }} {{ zz | d }}| {{ user.zz | default([]) }} {{ zz | default(default_value='q') }}
{{ numbers | first }} {{ numbers | last }} {{ [] | first }}| {{ [] | last }}| {{ 'abc' | first }} {{ 'abc' | last }} {{ user | first }} {{ range(4) | last }}
{{ numbers | sort }} {{ numbers | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ people | sort(attribute='name') | map(attribute='name') | list }} {{ people | sort(attribute='age,name') | map(attribute='name') | list }} {{ people | sort(true, attribute='age') | map(attribute='name') | list }}
{{ mixed | dictsort }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(true) }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(by='value') }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ numbers | reverse | list }} {{ 'abc' | reverse }} {{ user | reverse | list }} {{ range(3) | reverse | list }}
{{ numbers | map('string') | list }} {{ words | map('upper') | join }} {{ people | map(attribute='age') | list }} {{ people | map(attribute='zz', default='?') | list }} {{ numbers | map('default', 1) | list }} {{ nested | map('first') | list }} {{ nested | map(attribute=0) | list }} {{ [' a '] | map('trim') | list }}
{{ numbers | select('odd') | list }} {{ numbers | reject('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [0, 1, none] | reject | list }} {{ numbers | select('gt', 1) | list }} {{ numbers | select('in', [1, 2]) | list }}
{{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ people | rejectattr('age', 'eq', 30) | map(attribute='name') | list }} {{ people | selectattr('city') | list | length }} {{ people | selectattr('zz', 'defined') | list }} {{ people | selectattr('name', '==', 'Bea') | first }}
{{ numbers | sum }} {{ people | sum(attribute='age') }} {{ numbers | sum(start=10) }} {{ [0.1, 0.2] | sum }} {{ [] | sum }}
{{ numbers | min }} {{ numbers | max }} {{ words | min }} {{ words | max }} {{ words | max(case_sensitive=true) }} {{ people | max(attribute='age') }} {{ [] | max }}|
{{ words | unique | list }} {{ words | unique(case_sensitive=true) | list }} {{ [1, 1.0, true, 2] | unique | list }} {{ people | unique(attribute='city') | map(attribute='name') | list }}
{% for city, list in people | groupby('city') %}{{ city }}:{{ list | map(attribute='name') | join(',') }} {% endfor %}{% for g in people | groupby('age') %}{{ g.grouper }}={{ g.list | length }}{{ g }} {% endfor %}
{{ range(7) | batch(3) | list }} {{ range(7) | batch(3, 'x') | list }} {{ range(7) | slice(3) | list }} {{ range(7) | slice(3, 'x') | list }}
{{ 'a' | list }} {{ 'héy' | list }} {{ user | list }} {{ (1, 2) | list }} {{ user | items | list }} {{ zz | items | list }} {{ zz | list }}
{{ 'hello' | replace('l', 'L') }} {{ 'hello' | replace('l', 'L', 1) }} {{ 'abc' | replace('', '-') }} {{ 5 | replace(5, 6) }} {{ 'aaa' | replace('aa', 'b') }}
{{ 42.55 | round }} {{ 42.55 | round(1) }} {{ 42.55 | round(1, 'floor') }} {{ 42.51 | round(0, 'ceil') }} {{ 42 | round }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 1234 | round(-2) }} {{ -1.5 | round }} {{ 2.675 | round(2) }}
{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ '3.9' | int }} {{ '0x1f' | int(0, 16) }} {{ '0b11' | int(base=0) }} {{ none | int }} {{ true | int }} {{ ' 12 ' | int }} {{ '1_000' | int }} {{ -3.9 | int }} {{ '1e3' | int }}
{{ '4.5' | float }} {{ 'x' | float }} {{ 'x' | float(1.5) }} {{ 3 | float }} {{ 'inf' | float }} {{ '1e5' | float }} {{ ' 2 ' | float }} {{ 'nan' | float }} {{ none | float }}
{{ -3 | abs }} {{ -3.5 | abs }} {{ (-3) | abs }} {{ true | abs }}
{{ 1 | string }} {{ none | string }} {{ [1] | string }} {{ true | string ~ 'x' }} {{ 1.0 | string | length }} {{ zz | string }}|
{{ html | e }} {{ html | escape }} {{ html | safe }} {{ html | e | e }} {{ html | forceescape }} {{ 1 | e }} {{ html | striptags }} {{ '<p>a  b</p>\n<i>c</i> &amp; d' | striptags }}
{{ 'a' | safe + '<' }} {{ '<' + 'a' | safe }} {{ ('a' | safe) ~ '<' }} {{ ['a' | safe] }} {{ ('a' | safe) * 2 }} {{ ('<%s>' | safe) % '<' }} {{ ('x<' | safe).upper() }} {{ ('a' | safe)[0] }} {{ ('a,b' | safe).split(',') }} {{ ('-' | safe).join(['<', 'x']) }}
{{ lines | indent }}|{{ lines | indent(2) }}|{{ lines | indent(2, true) }}|{{ lines | indent(2, true, true) }}|{{ lines | indent('> ') }}|{{ '' | indent }}|{{ 'a\n' | indent }}|
{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, false, '...', 0) }} {{ 'foo' | truncate }}
{{ '%s, %s!' | format('a', 'b') }} {{ '%(x)s' | format(x=1) }} {{ 'x' | center(5) }}| {{ 'x' | center }}|
{{ 'hello big world' | wordcount }} {{ "it's a-b c_d" | wordcount }} {{ 'a b&c/d é' | urlencode }} {{ {'a b': 'c&d', 'e': 1} | urlencode }} {{ [('x', 'y z')] | urlencode }}
{{ 1000 | filesizeformat }} {{ 1 | filesizeformat }} {{ 123456789 | filesizeformat }} {{ 1024 | filesizeformat(true) }} {{ 999 | filesizeformat }} {{ 0 | filesizeformat }}
{{ user | attr('keys') is callable }} {{ user | attr('name') }}| {{ name | attr('upper') is callable }}
{{ numbers | map('round', 1, method='floor') | list }} {{ [[3, 1], [2]] | map('sort') | list }} {{ [3, 1] | map('tojson') | join(';') }}
{{ people | map(attribute='name') | map('length') | sum }} {{ people | groupby('zz', default='q') | length }}
{{ 'a' | upper | lower | capitalize }} {{ ('a' ~ 'b') | upper }} {{ 'a' ~ 'b' | upper }} {{ -1 | abs }} {{ not 'a' | length == 2 }}
{{ [3, 1] | sort | first }} {{ 'x' | default('y') | upper if yes else 'z' }} {{ [1, 2] | length > 1 }} {{ 1 + 2 | string | length }}
"""

JSON_CASES = r"""
{{ user | tojson }} {{ mixed | tojson }} {{ nested | tojson }} {{ name | tojson }} {{ none | tojson }} {{ true | tojson }} {{ 1.0 | tojson }} {{ 1e20 | tojson }} {{ uni | tojson }} {{ html | tojson }}
{{ mixed | tojson(indent=2) }} {{ nested | tojson(indent=4) }} {{ [] | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ {'a': []} | tojson(indent=1) }} {{ [1] | tojson(indent=0) }}
{{ mixed | tojson(ensure_ascii=true) }} {{ uni | tojson(ensure_ascii=True) }} {{ '\x00\x1f\x7f\u2028"\\/\b\f\n\r\t' | tojson }} {{ '\x7f' | tojson(ensure_ascii=true) }}
{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':')) }} {{ {'a': [1, 2]} | tojson(indent=2, separators=(';', '=')) }} {{ [1, 2] | tojson(separators=[', ', ': ']) }}
{{ {1: 'a', none: 'b', true: 'c', 2.5: 'd'} | tojson }} {{ (1, 2) | tojson }} {{ [(1,), []] | tojson }} {{ 'a' | safe | tojson }} {{ mixed | tojson(indent='--') }}
{{ people | tojson | safe }} {{ people | tojson(indent=none) }} {{ [1.5, -0.0, 1e-7, 123456789.0] | tojson }} {{ messages | map(attribute='content') | list | tojson }}
{% for t in people %}{{ t | tojson }}\n{% endfor %}{{ big | tojson }}{{ -5 | tojson }}
"""

METHODS = r"""
{{ text.strip() }}|{{ text.lstrip() }}|{{ text.rstrip() }}|{{ 'xxaxx'.strip('x') }} {{ 'abcxyzcba'.strip('abc') }} {{ '\n\na\n'.strip('\n') }} {{ 'aéa'.strip('aé') }}|
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'a b c'.split(maxsplit=1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a--b'.split('--')[-1] }} {{ 'aXbXc'.rsplit('X', 1) }} {{ 'a b c'.rsplit(none, 1) }} {{ 'abc'.split('z') }} {{ 'aaa'.rsplit('aa') }} {{ 'aaa'.split('aa') }}
{{ 'hello'.startswith('he') }} {{ 'hello'.endswith('lo') }} {{ 'hello'.startswith(('x', 'h')) }} {{ 'hello'.startswith('l', 2) }} {{ 'hello'.endswith('l', 0, 4) }} {{ ''.startswith('') }} {{ 'héllo'.startswith('é', 1) }}
{{ 'hello'.upper() }} {{ 'HeLLo'.lower() }} {{ 'heLLo wORld'.capitalize() }} {{ "they're bill's".title() }} {{ 'aBc'.swapcase() }} {{ 'ΑΣ'.lower() }} {{ 'Straße'.casefold() }}
{{ 'hello'.replace('l', 'L') }} {{ 'hello'.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ 'a\u0301'.replace('a', 'b') }}
{{ 'hello'.find('l') }} {{ 'hello'.find('z') }} {{ 'hello'.rfind('l') }} {{ 'hello'.index('e') }} {{ 'hello'.count('l') }} {{ 'aaaa'.count('aa') }} {{ 'héllo'.find('l') }} {{ 'hello'.find('l', 3) }} {{ 'abc'.count('') }} {{ 'hello'.find('') }} {{ 'hello'.rfind('') }}
{{ ', '.join(['a', 'b']) }} {{ ''.join(words) }} {{ '-'.join('abc') }} {{ ','.join(user) }} {{ '/'.join(words | map('upper')) }}
{{ 'abc'.isalpha() }} {{ 'a1'.isalnum() }} {{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '½'.isnumeric() }} {{ '١'.isdecimal() }} {{ ' '.isspace() }} {{ ''.isalpha() }} {{ 'Ab'.istitle() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ 'a_1'.isidentifier() }} {{ 'é'.isascii() }} {{ 'a\n'.isprintable() }}
{{ 'x'.center(5) }}|{{ 'x'.center(4) }}|{{ 'ab'.center(5) }}|{{ 'x'.ljust(3, '.') }}|{{ 'x'.rjust(3, '0') }}|{{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} {{ 'a\tb'.expandtabs(4) }}|
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }} {{ 'abc'.rpartition('=') }}
{{ lines.splitlines() }} {{ 'a\nb\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\x0bb\x1cc\u2028d'.splitlines() }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'x'.removeprefix('y') }} {{ 'x'.removesuffix('') }}
{{ '{} {}'.format(1, 'a') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}'.format(x=5) }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}|{:x}|{!r}'.format('a', 'b', 'c', 42, 3.14159, 1234567, 255, 'q') }} {{ '{0[a]} {0.b}'.format({'a': 1, 'b': 2}) }} {{ '{{}}'.format() }} {{ '{:*^9}'.format('mid') }} {{ '{:+d} {:e} {:%} {:b}'.format(5, 12345.678, 0.25, 5) }} {{ '{:{w}}|'.format('a', w=4) }} {{ '{a}'.format_map({'a': 1}) }}
{{ ('a' ~ 'b').upper() }} {{ 'abc'[1:].upper() }} {{ 'think</think>answer'.split('</think>')[-1].lstrip('\n') }} {{ 'a</think>b'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{{ user.get('name').upper() }} {{ user.items() | map('first') | join(',') }} {{ user.keys() | join(',') }} {{ user.values() | list | length }} {{ user.tags.index('y') }}
{{ 'a b'.split(' ') | map('upper') | join('+') }} {{ '12'.isdigit() and '12' | int > 10 }} {{ '  x'.lstrip(' ') }} {{ 'ab' 'cd'.upper() }}
"""

ERRORS = r"""
{{ zz.x }}
{{ zz['x'] }}
{{ zz() }}
{{ zz + 1 }}
{{ 'a' + zz }}
{{ zz < 1 }}
{{ -zz }}
{{ user.zz.y }}
{{ user['zz']['y'] }}
{{ user.zz() }}
{{ numbers[9].x }}
{{ none.x.y }}
{{ none['x']['y'] }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ 'a' + none }}
{{ [1] + 'a' }}
{{ [1] + (2,) }}
{{ none + 1 }}
{{ 'a' - 'b' }}
{{ user + user }}
{{ 'a' * 'b' }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.5 / 0 }}
{{ 'a' < 1 }}
{{ none < 1 }}
{{ user < user }}
{{ [1] < ['a'] }}
{{ 1 in 5 }}
{{ 1 in 'abc' }}
{{ [] in user }}
{{ none in 'a' }}
{{ name() }}
{{ 5() }}
{{ range('a') }}
{{ range(1, 2, 0) }}
{{ range(1000000) }}
{{ numbers.append(1) }}
{{ user.update({}) }}
{{ user.pop('name') }}
{{ name.__class__.__mro__ }}
{{ ''.nope() }}
{{ 1 | nope }}
{% if no %}{{ 1 | nope }}{% endif %}ok
{% if yes %}{{ 1 | nope }}{% endif %}
{{ 1 is nope }}
{{ 5 | length }}
{{ none | length }}
{{ 5 | list }}
{{ 5 | join }}
{{ 5 | first }}
{{ user | sort(attribute='x') | map('nope') | list }}
{{ [1, 'a'] | sort }}
{{ [none, 1] | sort }}
{{ 5 | items }}{{ 5 | items | list }}
{{ zz | tojson }}
{{ namespace() | tojson }}
{{ {(1, 2): 3} | tojson }}
{{ range | tojson }}
{{ range(3) | tojson }}
{{ raise_exception('boom ' ~ name) }}
{{ raise_exception(5) }}
{% for a, b in [(1,)] %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in none %}{% endfor %}
{% set a, b = 1 %}
{% set user.x = 1 %}
{% set zz.x = 1 %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{{ namespace(_a=1) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}
{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% for i in [1] %}{{ loop(i) }}{% endfor %}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ '%s' % (1, 2) }}
{{ '%(a)s' % 5 }}
{{ '%(a)s' % {} }}
{{ '%z' % 1 }}
{{ '{}'.format() }}
{{ '{a}'.format() }}
{{ '{'.format() }}
{{ '}'.format() }}
{{ '{:d}'.format('a') }}
{{ 'a'.split('') }}
{{ 'abc'.index('z') }}
{{ numbers.index(99) }}
{{ ','.join([1]) }}
{{ 'a'.join(5) }}
{{ 'a'.startswith(1) }}
{{ 'a'.replace('a') }}
{{ 'a'.center() }}
{{ numbers[::0] }}
{{ numbers['a':] }}
{{ n[1:] }}
{{ user[1:] }}
{{ [1, 2] | sum(start='a') }}
{{ ['a'] | sum }}
{{ {[1]: 2} }}
{{ dict(5) }}
{{ cycler() }}
{{ 'abc' | round }}
{{ 1.5 | round(1, 'up') }}
{{ numbers | map | list }}
{{ numbers | map('upper', 1) | list }}
{{ numbers | selectattr | list }}
{{ 'a' is divisibleby 2 }}
{{ 3 is divisibleby 0 }}
{{ mixed | dictsort(by='x') }}
{{ 5 | dictsort }}
{{ strftime_now(5) }}
{% include 'x' %}
{% extends 'x' %}
{% import 'x' as y %}
{% from 'x' import y %}
{{ ('a' if no) + 'b' }}
{{ ([] | first).x }}
{{ zz | upper | trim }}{{ zz.a | upper }}
{% if zz.a %}{% endif %}
{% if zz > 3 %}{% endif %}
{{ (zz | default({})).a.b }}
"""

SYNTAX = r"""
{{ 
{{ name
{% if yes %}
{% if yes
{% endif %}
{% for %}{% endfor %}
{% for i %}{% endfor %}
{% for i in %}{% endfor %}
{% for 1 in x %}{% endfor %}
{% nope %}
{% if yes %}{% endfor %}
{% if yes %}{% else %}{% else %}{% endif %}
{{ }}
{{ 1 + }}
{{ 1 2 }}
{{ a b }}
{{ (1 }}
{{ [1, }}
{{ {1: } }}
{{ {1} }}
{{ ) }}
{{ [1) }}
{{ 'abc }}
{{ "abc' }}
{{ a.  }}
{{ a.'b' }}
{{ a['b' }}
{{ a | }}
{{ a | 5 }}
{{ a is }}
{{ f(a=1, 2) }}
{{ f(*a, b) }}
{{ f(**a, **b) }}
{{ f(a b) }}
{{ @ }}
{{ a ? b : c }}
{{ a && b }}
{{ !a }}
{{ a = b }}
{% set %}
{% set a %}
{% set a = %}
{% set 1 = 2 %}
{% set true = 2 %}
{% set a.b.c = 2 %}
{% set a[0] = 2 %}
{% macro %}{% endmacro %}
{% macro f %}{% endmacro %}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f(a %}{% endmacro %}
{% call x %}{% endcall %}
{% block %}{% endblock %}
{% filter %}{% endfilter %}
{# unclosed
{% raw %} unclosed
{% break %}
{% continue %}
{% do x %}
{% trans %}x{% endtrans %}
{{ 'a' is string is string }}
{{ 'a' is defined is none }}
{{ '\x4' }}
{{ '\u12' }}
line one\nline two {{ 1 + }}\nthree
line one\n\n{% if yes %}\n{{ ( }}\n{% endif %}
{% if yes %}\n\n{% endif %}\n{{ 'a' ~ }}
{{ name }}\n{{ user.zz.y }}
{% for i in range(3) %}\n{{ 1 / 0 }}\n{% endfor %}
{% macro m() %}\n\n{{ zz.q }}{% endmacro %}\n{{ m() }}
{%- if yes -%}\n\n  {{ raise_exception('line 3') }}{% endif %}
"""


def lines(block):
    for line in block.strip("\n").split("\n"):
        yield line


def main():
    cases = []
    for group, block in [
        ("layout", LAYOUT), ("literals", LITERALS), ("operators", OPERATORS), ("lookup", LOOKUP), ("statements", STATEMENTS),
        ("tests", TESTS), ("filters", FILTERS), ("json", JSON_CASES), ("methods", METHODS), ("errors", ERRORS), ("syntax", SYNTAX),
    ]:
        for line in lines(block):
            if group == "layout":
                template = line.encode("ascii").decode("unicode-escape").replace("\\\"", '"')
            elif group in ("syntax", "statements"):
                template = line.replace("\\n", "\n")
            else:
                template = line
            cases.append({"group": group, "template": template, **expected(template, CONTEXT)})
    target = pathlib.Path(__file__).parents[2] / "Tests/TokenizersTests/Fixtures/jinja.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    target.write_text(f'{{"context": {json.dumps(CONTEXT)},\n"cases": [\n{rows}\n]}}\n')
    print(f"{len(cases)} cases, {sum('error' in case for case in cases)} of them errors")


if __name__ == "__main__":
    main()
