"""Python as JavaScript: how what is computed once for the still picture is computed in the page too.

It knows a small Python, whose meaning in JavaScript is plain: functions, classes with annotated fields,
loops, comprehensions, numbers, lists, dicts and sets. What it does not know it refuses by its line. Three
habits make the meanings equal: nothing but a bool is asked whether it is true (``len(x) > 0``, not ``x``);
lists are joined as ``[*a, *b]``; and a dict's keys are numbers, texts or objects, not tuples. What Python has
built in stands in ``page/builtins.js``, under names that begin with ``py_``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

BUILTINS = (
    *(
        "abs",
        "all",
        "any",
        "bisect_right",
        "enumerate",
        "insort",
        "len",
        "list",
        "max",
        "min",
        "number",
        "ord",
    ),
    *("pairwise", "range", "reversed", "round", "set", "sorted", "sqrt", "sum", "zip"),
)
METHODS = (
    *("add", "append", "extend", "get", "index", "isupper", "items", "pop", "reverse", "setdefault", "sort"),
    "values",
)
OPERATORS: dict[type[ast.operator], str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"},
    **{ast.Pow: "**", ast.FloorDiv: "//"},
}
COMPARISONS = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.Eq: "===", ast.NotEq: "!==", ast.Is: "===", ast.IsNot: "!=="},
}
CONSTANTS = {None: "null", True: "true", False: "false"}


class Untranslatable(ValueError):
    """Python that has no JavaScript here."""

    def __init__(self, node: ast.AST):
        line = getattr(node, "lineno", "?")
        super().__init__(f"line {line}: {ast.unparse(node)!r} is not of the Python that is translated")


def translated(sources: Sequence[str], exported: Iterable[str]) -> str:
    """Modules, each after those that it imports from, as one module of JavaScript.

    Raises:
        Untranslatable: something in them is not of the Python that is translated.
    """
    trees = [ast.parse(source) for source in sources]
    statements = [statement for tree in trees for statement in tree.body]
    functions = {s.name for s in statements if isinstance(s, ast.FunctionDef)}
    classes = {s.name: fields_of(s) for s in statements if isinstance(s, ast.ClassDef)}
    translator = Translator(classes, functions)
    lines = [line for statement in statements for line in translator.top(statement)]
    known = (*BUILTINS, *METHODS, "at", "each", "has", "put")
    used = [f"py_{name}" for name in known if any(f"py_{name}(" in line for line in lines)]
    imports = f'import {{ {", ".join(used)} }} from "./builtins.js";'
    return "\n".join([imports, *lines, f"export {{ {', '.join(exported)} }};", ""])


def fields_of(made: ast.ClassDef) -> list[tuple[str, ast.expr | None]]:
    """The fields of a dataclass, each with its default; or the parameters of ``__init__``."""
    for member in made.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return parameters(member)
    return [
        (member.target.id, member.value)
        for member in made.body
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name)
    ]


def parameters(made: ast.FunctionDef) -> list[tuple[str, ast.expr | None]]:
    names = [a.arg for a in made.args.args if a.arg != "self"]
    defaults = made.args.defaults
    return list(zip(names, [None] * (len(names) - len(defaults)) + list(defaults), strict=True))


class Translator:
    """One translation: statements to lines, expressions to texts."""

    def __init__(self, classes: dict[str, list[tuple[str, ast.expr | None]]], functions: set[str]):
        self.classes, self.functions = classes, functions

    def top(self, node: ast.stmt) -> list[str]:
        """What stands by itself: constants, functions, classes. Imports and the names of types go."""
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr)):
            return []
        if isinstance(node, ast.FunctionDef):
            return self.function(node, "function ")
        if isinstance(node, ast.ClassDef):
            return self.made(node)
        if isinstance(node, ast.Assign) and is_type(node.value):
            return []
        if isinstance(node, ast.Assign):
            return [f"const {self.target(node.targets[0])} = {self.text(node.value)};"]
        raise Untranslatable(node)

    def made(self, node: ast.ClassDef) -> list[str]:
        fields = self.classes[node.name]
        methods = [member for member in node.body if isinstance(member, ast.FunctionDef)]
        lines = [f"class {node.name} {{"]
        if not any(method.name == "__init__" for method in methods):
            given = ", ".join(self.parameter(name, default) for name, default in fields)
            lines += [f"constructor({given}) {{", *(f"this.{name} = {name};" for name, _ in fields), "}"]
        for method in methods:
            if method.name in METHODS:
                raise Untranslatable(method)
            is_getter = any(isinstance(d, ast.Name) and d.id == "property" for d in method.decorator_list)
            lines += self.function(method, "get " if is_getter else "")
        return [*lines, "}"]

    def function(self, node: ast.FunctionDef, kind: str) -> list[str]:
        given = ", ".join(self.parameter(name, default) for name, default in parameters(node))
        own = sorted(assigned(node.body) - {name for name, _ in parameters(node)})
        name = "constructor" if node.name == "__init__" else node.name
        lines = [f"{kind}{name}({given}) {{"]
        if own:
            lines.append(f"let {', '.join(own)};")
        return [*lines, *self.block(node.body), "}"]

    def parameter(self, name: str, default: ast.expr | None) -> str:
        return name if default is None else f"{name} = {self.text(default)}"

    # Statements.

    def block(self, body: Iterable[ast.stmt]) -> list[str]:
        return [line for statement in body for line in self.statement(statement)]

    def statement(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return []  # a docstring
            case ast.Expr(value=value):
                return [f"{self.text(value)};"]
            case ast.Return(value=value):
                return [f"return {self.text(value)};" if value else "return;"]
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                return [self.assignment(target, self.text(value))]
            case ast.AugAssign(target=target, op=op, value=value) if type(op) in OPERATORS:
                return [self.assignment(target, self.operation(self.text(target), op, self.text(value)))]
            case ast.If(test=test, body=body, orelse=orelse):
                otherwise = ["} else {", *self.block(orelse)] if orelse else []
                return [f"if ({self.text(test)}) {{", *self.block(body), *otherwise, "}"]
            case ast.While(test=test, body=body, orelse=[]):
                return [f"while ({self.text(test)}) {{", *self.block(body), "}"]
            case ast.For(target=target, iter=over, body=body, orelse=[]):
                return [
                    f"for ({self.target(target)} of py_each({self.text(over)})) {{",
                    *self.block(body),
                    "}",
                ]
            case ast.Raise(exc=ast.Call(args=[words])):
                return [f"throw new Error({self.text(words)});"]
            case ast.Continue():
                return ["continue;"]
            case ast.Break():
                return ["break;"]
        raise Untranslatable(node)

    def assignment(self, target: ast.expr, value: str) -> str:
        if isinstance(target, ast.Subscript):
            return f"py_put({self.text(target.value)}, {self.text(target.slice)}, {value});"
        return (
            f"{self.target(target)} = {value};"
            if not isinstance(target, ast.Tuple)
            else f"({self.target(target)} = {value});"
        )

    def target(self, node: ast.expr) -> str:
        if isinstance(node, ast.Tuple):
            return f"[{', '.join(map(self.target, node.elts))}]"
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self.text(node)
        raise Untranslatable(node)

    # Expressions.

    def text(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=None | bool() as value):
                return CONSTANTS[value]
            case ast.Constant(value=str() | int() | float() as value):
                return repr(value)
            case ast.Name(id="self"):
                return "this"
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=value, attr=attr):
                return f"{self.text(value)}.{attr}"
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                ends = [self.text(lower) if lower else "0", *([self.text(upper)] if upper else [])]
                return f"{self.text(value)}.slice({', '.join(ends)})"
            case ast.Subscript(value=value, slice=index):
                return f"py_at({self.text(value)}, {self.text(index)})"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return self.operation(self.text(left), op, self.text(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.text(operand)})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(!{self.text(operand)})"
            case ast.BoolOp(op=kind, values=values):
                between = " && " if isinstance(kind, ast.And) else " || "
                return f"({between.join(map(self.text, values))})"
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                each = zip(sides, ops, comparators, strict=False)
                return f"({' && '.join(self.comparison(a, sign, b) for a, sign, b in each)})"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self.text(test)} ? {self.text(body)} : {self.text(orelse)})"
            case ast.List(elts=elts) | ast.Tuple(elts=elts):
                return f"[{', '.join(map(self.text, elts))}]"
            case ast.Starred(value=value):
                return f"...py_each({self.text(value)})"
            case ast.Dict(keys=keys, values=values):
                pairs = ", ".join(
                    f"[{self.text(k)}, {self.text(v)}]" for k, v in zip(keys, values, strict=True) if k
                )
                return f"new Map([{pairs}])"
            case ast.Lambda(args=args, body=body):
                return f"(({', '.join(a.arg for a in args.args)}) => {self.text(body)})"
            case ast.ListComp(elt=elt, generators=loops) | ast.GeneratorExp(elt=elt, generators=loops):
                return self.comprehension(self.text(elt), loops)
            case ast.DictComp(key=key, value=value, generators=loops):
                return f"new Map({self.comprehension(f'[{self.text(key)}, {self.text(value)}]', loops)})"
            case ast.JoinedStr(values=values):
                return f"[{', '.join(map(self.text, values))}].join('')"
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.text(value)
            case ast.Call():
                return self.call(node)
        raise Untranslatable(node)

    def operation(self, left: str, op: ast.operator, right: str) -> str:
        if isinstance(op, ast.FloorDiv):
            return f"Math.floor({left} / {right})"
        return f"({left} {OPERATORS[type(op)]} {right})"

    def comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> str:
        if isinstance(op, (ast.In, ast.NotIn)):
            sign = "" if isinstance(op, ast.In) else "!"
            return f"{sign}py_has({self.text(right)}, {self.text(left)})"
        return f"{self.text(left)} {COMPARISONS[type(op)]} {self.text(right)}"

    def comprehension(self, element: str, loops: list[ast.comprehension]) -> str:
        loop, *inner = loops
        over, target = f"py_each({self.text(loop.iter)})", self.target(loop.target)
        for test in loop.ifs:
            over = f"{over}.filter(({target}) => {self.text(test)})"
        if inner:
            return f"{over}.flatMap(({target}) => {self.comprehension(element, inner)})"
        return f"{over}.map(({target}) => {element})"

    def call(self, node: ast.Call) -> str:
        given = [self.text(argument) for argument in node.args]
        named = {k.arg: self.text(k.value) for k in node.keywords if k.arg is not None}
        match node.func:
            case ast.Name(id="field"):
                return {"list": "[]", "dict": "new Map()", "set": "new Set()"}[named["default_factory"]]
            case ast.Name(id=name) if name in self.classes:
                for field, _ in self.classes[name][len(given) :]:
                    given.append(named.pop(field, "undefined"))
                if named:
                    raise Untranslatable(node)
                while given and given[-1] == "undefined":
                    given.pop()
                return f"new {name}({', '.join(given)})"
            case ast.Name(id=name) if name in BUILTINS:
                named.pop("strict", None)
                return f"py_{name}({', '.join([*given, *options(named)])})"
            case ast.Name(id=name) if name in self.functions and not named:
                return f"{name}({', '.join(given)})"
            case ast.Attribute(value=value, attr=attr) if attr in METHODS:
                return f"py_{attr}({', '.join([self.text(value), *given, *options(named)])})"
            case ast.Attribute(value=value, attr=attr) if not named:
                return f"{self.text(value)}.{attr}({', '.join(given)})"
        raise Untranslatable(node)


def options(named: dict[str, str]) -> list[str]:
    return [f"{{ {', '.join(f'{name}: {value}' for name, value in named.items())} }}"] if named else []


def assigned(body: Iterable[ast.stmt]) -> set[str]:
    """The names that a function's own statements give values to."""
    found: set[str] = set()
    for statement in body:
        match statement:
            case ast.Assign(targets=targets):
                found |= {name for target in targets for name in names_in(target)}
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                found |= names_in(target)
            case ast.For(target=target, body=inner):
                found |= names_in(target) | assigned(inner)
            case ast.While(body=inner):
                found |= assigned(inner)
            case ast.If(body=inner, orelse=orelse):
                found |= assigned(inner) | assigned(orelse)
    return found


def names_in(target: ast.expr) -> set[str]:
    if isinstance(target, ast.Tuple):
        return {name for part in target.elts for name in names_in(part)}
    return {target.id} if isinstance(target, ast.Name) else set()


def is_type(node: ast.expr) -> bool:
    """Whether what is given a name is a type."""
    return isinstance(node, ast.Subscript) or (isinstance(node, ast.Name) and node.id == "Hashable")
