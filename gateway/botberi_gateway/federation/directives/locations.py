"""Sets of places that several directives of the specification share, as SDL writes them."""

#: Where `@tag` and `@inaccessible` may stand.
HIDEABLE = (
    "FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE"
    " | INPUT_OBJECT | INPUT_FIELD_DEFINITION"
)
#: Where `@authenticated`, `@requiresScopes` and `@policy` may stand.
GUARDED = "FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"
