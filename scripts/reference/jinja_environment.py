"""The jinja2 environment that transformers renders chat templates in, taken from transformers itself."""
import datetime, json
from transformers.utils import chat_template_utils as utils

NOW = 1_700_000_000  # what strftime_now shows in fixtures


class _Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


utils.datetime = _Clock


def expected(template, variables):
    """{"text"} or {"error", "line"} of a template; generation spans in UTF-8 where the template has any."""
    try:
        compiled = utils._cached_compile_jinja_template(template)
        blocks, spans = [], []
        with compiled.environment.activate_tracker(blocks, spans):
            for block in compiled.generate(**json.loads(json.dumps(variables))):
                blocks.append(block)
        text = "".join(blocks)
        result = {"text": text}
        if spans:
            size = lambda n: len(text[:n].encode())
            result["generations"] = [[size(a), size(b)] for a, b in spans]
        return result
    except RecursionError:
        return {"error": "RecursionError"}
    except Exception as e:
        result = {"error": f"{type(e).__name__}: {e}"}
        if getattr(e, "lineno", None):
            result["line"] = e.lineno
        return result
