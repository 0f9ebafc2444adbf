"""Holds a master to the OpenAPI document that it serves: every answer that the tests see, and every request that it took.

An answer must be one that the document promises: its path, its status, its content type, and a body with nothing missing and nothing
more. (The document leaves answers open, so that a newer master may say more; this one may not say what it does not document.) A request
that was taken must fit the document too, so that the document forbids nothing that works."""
import copy, json, re, threading

from jsonschema import Draft202012Validator, FormatChecker, RefResolver

# What libmicrohttpd refuses by itself, before there is a request: no id, and a body of its own.
HTTP_REFUSALS = {400, 413, 414, 431, 501, 505}
FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time")(lambda text: not isinstance(text, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text)))


def close(schema):
    """Objects with known properties have no others."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for inner in schema.values():
            close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            close(inner)


def every_ref(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for inner in node.values():
            yield from every_ref(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from every_ref(inner)


class Contract:
    def __init__(self, document):
        self.document = copy.deepcopy(document)
        close(self.document["components"]["schemas"])
        self.resolver = RefResolver("", self.document)
        self.validators, self.lock = {}, threading.Lock()
        self.violations, self.seen = [], set()
        exact_first = sorted(self.document["paths"], key=lambda path: "{" in path)
        self.paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}"))), path) for path in exact_first]

    def check_itself(self):
        """What is wrong with the document."""
        d, ids = self.document, []
        for name, schema in d["components"]["schemas"].items():
            Draft202012Validator.check_schema(schema)
        for ref in every_ref(d):
            self.resolver.resolve(ref)
        used = set(every_ref(d))
        unused = [n for n in d["components"]["schemas"] if f"#/components/schemas/{n}" not in used]
        assert not unused, f"schemas that nobody uses: {unused}"
        for path, operations in d["paths"].items():
            for method, operation in operations.items():
                ids.append(operation["operationId"])
                declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
                assert declared == set(re.findall(r"\{(\w+)\}", path)), (method, path, declared)
                assert any(s.startswith("2") for s in operation["responses"]), (method, path)
        assert len(ids) == len(set(ids)), "operationIds that occur twice"

    def validate(self, schema, value):
        key = json.dumps(schema, sort_keys=True)
        with self.lock:
            if key not in self.validators:
                self.validators[key] = Draft202012Validator(schema, resolver=self.resolver, format_checker=FORMATS)
            error = next(iter(self.validators[key].iter_errors(value)), None)
        return None if error is None else f"{'/'.join(str(p) for p in error.absolute_path)}: {error.message[:300]}"

    def check(self, method, target, sent, headers, status, answer_headers, raw):
        wrong = self.judge(method, target.split("?")[0], target, sent, status, answer_headers, raw)
        if wrong:
            with self.lock:
                self.violations.append(f"{method} {target[:120]} {status}: {wrong}")

    def judge(self, method, path, target, sent, status, answer_headers, raw):
        if "x-request-id" not in answer_headers:
            return None if status in HTTP_REFUSALS else "no X-Request-Id"
        pattern = next((p for regex, p in self.paths if regex.fullmatch(path)), None)
        operations = self.document["paths"].get(pattern, {})
        operation = operations.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            expected = 405 if pattern else 404
            return None if status == expected and self.body({"$ref": "#/components/schemas/Problem"}, raw) is None else f"{expected} was to be expected"
        response = operation["responses"].get(str(status))
        if response is None:
            return "the status is not documented"
        if "$ref" in response:
            response = self.resolver.resolve(response["$ref"])[1]
        with self.lock:
            self.seen.add((operation["operationId"], status))
        if "Retry-After" in response.get("headers", {}) and "retry-after" not in answer_headers:
            return "no Retry-After"
        return self.answer(response, method, answer_headers, raw) or (self.request(operation, target, sent) if status < 300 else None)

    def answer(self, response, method, headers, raw):
        if "content" not in response:
            return None if raw == b"" else "a body where there is none"
        kind = headers.get("content-type", "").split(";")[0]
        if kind not in response["content"]:
            return f"content type {kind!r}, documented: {', '.join(response['content'])}"
        if method == "HEAD" or not kind.endswith("json"):
            return None
        return self.body(response["content"][kind]["schema"], raw)

    def body(self, schema, raw):
        try:
            value = json.loads(raw)
        except ValueError as error:
            return f"not JSON: {error}"
        return self.validate(schema, value)

    def request(self, operation, target, sent):
        known = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        for pair in target.partition("?")[2].split("&"):
            if pair and pair.split("=")[0] not in known:
                return f"it took the parameter {pair.split('=')[0]}, which is not documented"
        if sent in (None, "", b"", {}):
            return None
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            value = json.loads(sent) if isinstance(sent, (str, bytes)) else sent
            wrong = self.validate(content["application/json"]["schema"], value)
            return wrong and f"it took a request that the document forbids: {wrong}"
        return None if content else "it took a body that is not documented"


_current = None
_lock = threading.Lock()


def of(fetch):
    """The contract of the masters under test: read from the first one that is asked."""
    global _current
    with _lock:
        if _current is None:
            _current = Contract(json.loads(fetch()))
        return _current


def assert_kept():
    """Raises when an answer since the last call was not as documented."""
    if _current is None:
        return
    with _current.lock:
        wrong, _current.violations = _current.violations, []
    assert not wrong, "not as documented: " + "; ".join(wrong[:5])
