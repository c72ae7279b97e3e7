"""Documents that are made to be expensive, each in its own way."""


def nested(depth: int) -> str:
    """A query that is that many fields deep, the two that page not counted."""
    fields = ["customers", "nodes", "invoices", "edges", "node", "organization", *["parent"] * depth][: depth + 1]
    return "{ " + " { ".join([*fields, "legalName"]) + " }" * (len(fields) + 1)


BOMBS = {
    "depth": nested(11),
    "depth by a fragment": "{ customers { nodes { ...F } } }"
    + "fragment F on Customer { organization { children { nodes { children { nodes { children { nodes { ...G }"
    + " } } } } } } }"
    + "fragment G on Organization { children { nodes { children { nodes { children { nodes { parent { parent {"
    + " legalName } } } } } } } } }",
    "a fragment within itself": "{ customers { nodes { ...F } } } fragment F on Customer { organization { ...F } }",
    "fragments in a circle": "{ ...F0 }"
    + "".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 50} }}" for n in range(50)),
    "aliases": "{ viewer { " + " ".join(f"a{n}: name" for n in range(31)) + " } }",
    "aliases of a root field": "{ " + " ".join(f"a{n}: customers {{ totalCount }}" for n in range(31)) + " }",
    "directives": "{ viewer { name " + "@include(if: true) " * 9 + "} }",
    "directives of many fields": "{ viewer { " + "name @include(if: true) " * 240 + "} }",
    "root fields": "{ viewer { name } ...F }"
    + "fragment F on Query { "
    + " ".join(f"a{n}: viewer {{ role }}" for n in range(20))
    + " }",
    "fragments": "{ ...F0 }" + "".join(f"fragment F{n} on Query {{ viewer {{ name }} }}" for n in range(51)),
    "the same field": "{ viewer { " + "name " * 900 + "} }",
    "the same field by fragments": "{ "
    + " ".join(f"...F{n}" for n in range(50))
    + " }"
    + "".join(f"fragment F{n} on Query {{ {'viewer { name } ' * 7}}}" for n in range(50)),
    "places that multiply": "{ customers { nodes { ...F0 } } }"
    + "".join(
        f"fragment F{n} on Customer {{ {' '.join(f'{a}{n}: organization {{ ...G{n} }}' for a in 'abc')} }}"
        f"fragment G{n} on Organization {{ {' '.join(f'{a}: parent {{ ...G{n} }}' for a in 'de')} }}"
        for n in range(4)
    ),
    "tokens": "{ " + "viewer { name } " * 600 + "}",
    "cost": "{ customers(first: 100) { nodes { invoices(first: 100) { nodes { id } } } } }",
    "cost by edges": "{ customers(first: 100) { edges { node { invoices(first: 100) { edges { node { id } } } } } } }",
}


CIRCLE = "fragments in a circle"
"""The one that validation refuses, and not a bound."""
