"""Join specification version -> the definitions that a supergraph's own directives need."""

from botberi_gateway.federation.versions import Version

LATEST_JOIN = Version(0, 5)
#: Versions that composition writes; older ones (0.1, 0.2) are read.
WRITTEN_JOIN = (Version(0, 3), Version(0, 4), LATEST_JOIN)

LINK_DIRECTIVE = (
    "directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA"
)

#: Name of the type -> its definition, in every version.
_TYPES = {
    "join__FieldSet": "scalar join__FieldSet",
    "link__Import": "scalar link__Import",
    "link__Purpose": '''enum link__Purpose {
  """
  `SECURITY` features provide metadata necessary to securely resolve fields.
  """
  SECURITY

  """
  `EXECUTION` features provide metadata necessary for operation execution.
  """
  EXECUTION
}''',
}
_CONTEXT_ARGUMENT = """input join__ContextArgument {
  name: String!
  type: String!
  context: String!
  selection: join__FieldValue!
}"""


def machinery_types(join: Version) -> dict[str, str]:
    """Every type definition but `join__Graph`, by name."""
    types = dict(_TYPES)
    if join >= Version(0, 4):
        types["join__DirectiveArguments"] = "scalar join__DirectiveArguments"
    if join >= Version(0, 5):
        types["join__FieldValue"] = "scalar join__FieldValue"
        types["join__ContextArgument"] = _CONTEXT_ARGUMENT
    return types


def machinery_directives(join: Version) -> dict[str, str]:
    """Every directive definition, by name."""
    more = ""
    if join >= Version(0, 4):
        more += ", overrideLabel: String"
    if join >= Version(0, 5):
        more += ", contextArguments: [join__ContextArgument!]"
    directives = {
        "join__enumValue": "directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE",
        "join__field": (
            "directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, "
            f"type: String, external: Boolean, override: String, usedOverridden: Boolean{more}) "
            "repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION"
        ),
        "join__graph": "directive @join__graph(name: String!, url: String!) on ENUM_VALUE",
        "join__implements": (
            "directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE"
        ),
        "join__type": (
            "directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, "
            "resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) "
            "repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR"
        ),
        "join__unionMember": "directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION",
        "link": LINK_DIRECTIVE,
    }
    if join >= Version(0, 4):
        directives["join__directive"] = (
            "directive @join__directive(graphs: [join__Graph!], name: String!, args: join__DirectiveArguments) "
            "repeatable on SCHEMA | OBJECT | INTERFACE | FIELD_DEFINITION"
        )
    return directives
