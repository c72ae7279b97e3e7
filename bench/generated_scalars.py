"""How schemathesis makes values of this schema's own scalars: those that are taken, and some that are not."""

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

for name, values in {
    "CountryCode": st.sampled_from(["DE", "US", "de", ""]),
    "CurrencyCode": st.sampled_from(["EUR", "USD", "JPY", "XXX"]),
    "TimeZone": st.sampled_from(["UTC", "Europe/Berlin", "Mars/Olympus"]),
    "Decimal": st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str) | st.text(max_size=5),
    "DateTime": st.datetimes().map(lambda at: at.isoformat() + "Z") | st.text(max_size=5),
}.items():
    schemathesis.graphql.scalar(name, values.map(nodes.String))

schemathesis.graphql.scalar("MinorUnits", st.integers(-(2**60), 2**60).map(nodes.Int))
for name in ("Metadata", "Properties"):
    schemathesis.graphql.scalar(name, st.just({}).map(lambda _: nodes.Object(fields=[])))
