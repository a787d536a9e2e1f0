"""Each error and hint code of composition -> what it means, and what was expected instead.

The pages in `docs/reference/errors` are made of this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """Two plain sentences: what is wrong, and what composition expected."""

    says: str
    expected: str


def _family(name: str, about: str) -> dict[str, Meaning]:
    """The codes that @key, @requires and @provides share."""
    prefix = name.upper()
    return {
        f"{prefix}_DIRECTIVE_IN_FIELDS_ARG": Meaning(
            f"The field set of a @{name} has a directive in it.", "A field set is made of field names alone."
        ),
        f"{prefix}_INVALID_FIELDS": Meaning(
            f"The field set of a @{name} can't be read, or doesn't fit the type.", f"Name fields of {about}."
        ),
        f"{prefix}_INVALID_FIELDS_TYPE": Meaning(
            f'The "fields" of a @{name} is no string.', 'Write the field set as one string: "id", "id name".'
        ),
        f"{prefix}_UNSUPPORTED_ON_INTERFACE": Meaning(
            f"A @{name} is on an interface" + (" before federation 2.3." if name == "key" else "'s field."),
            "Link federation v2.3 or newer." if name == "key" else f"Put @{name} on the fields of the implementations.",
        ),
    }


_EXTERNAL_LEAF: Final = "Mark the fields that the field set names @external, as another subgraph resolves them."

ERRORS: Final[Mapping[str, Meaning]] = {
    **_family("key", "the type, with a selection where they have fields themselves"),
    **_family("provides", "the type that the field gives"),
    **_family("requires", "the type that the field is on"),
    "AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE": Meaning(
        "@authenticated, @requiresScopes or @policy is on an interface, one of its fields, or an interface object.",
        "Put it on the object types that implement the interface.",
    ),
    "COMPOSITION_LIMIT_EXCEEDED": Meaning(
        "The subgraphs are nested or combined beyond what composition looks at.",
        "Make field sets, types and access requirements smaller; no graph that people write comes near the bounds.",
    ),
    "CONTEXT_INVALID_SELECTION": Meaning(
        "The selection of a @fromContext isn't one field of a type that fits.",
        "Select exactly one field, of the argument's type, on every type that sets the context.",
    ),
    "CONTEXT_NAME_INVALID": Meaning(
        "A @context has a name that isn't allowed.", "A context's name has letters and digits, and no underscore."
    ),
    "CONTEXT_NOT_SET": Meaning(
        "A @fromContext uses a context that no type of its subgraph sets.", "Set it: @context(name:) on a type above."
    ),
    "CONTEXT_NO_RESOLVABLE_KEY": Meaning(
        "A type whose field is filled from a context has no resolvable @key.", "Give the type a resolvable @key."
    ),
    "CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS": Meaning(
        "An argument is filled from a context in one subgraph, and mandatory for clients in another.",
        "Make it contextual in all subgraphs, or nullable or with a default where it isn't.",
    ),
    "COST_APPLIED_TO_INTERFACE_FIELD": Meaning(
        "@cost is on a field of an interface.", "Put @cost on the fields of the implementations."
    ),
    "DEFAULT_VALUE_USES_INACCESSIBLE": Meaning(
        "A default value that clients see uses an @inaccessible enum value or input field.",
        "Use a visible default, or hide the argument as well.",
    ),
    "DIRECTIVE_COMPOSITION_ERROR": Meaning(
        "A @composeDirective names a directive that can't be composed.",
        "Name a directive, with its @, that one @link imports, in the same version and under the same name everywhere.",
    ),
    "DIRECTIVE_DEFINITION_INVALID": Meaning(
        "A subgraph defines a directive of the federation otherwise than the specification does.",
        "Remove the definition (composition knows it), or write it as in the specification.",
    ),
    "DISALLOWED_INACCESSIBLE": Meaning(
        "@inaccessible is on something that clients never see anyway.", "Remove @inaccessible there."
    ),
    "EMPTY_MERGED_ENUM_TYPE": Meaning(
        "An enum that is used for input only has no value that all its subgraphs know.",
        "Have at least one value in all of them.",
    ),
    "EMPTY_MERGED_INPUT_TYPE": Meaning(
        "An input type has no field that all its subgraphs know.", "Have at least one field in all of them."
    ),
    "ENUM_VALUE_MISMATCH": Meaning(
        "An enum is used for input and for output, but its values differ between subgraphs.",
        "Define the same values in every subgraph, or hide those that differ with @inaccessible.",
    ),
    "EXTENSION_WITH_NO_BASE": Meaning(
        "A type is extended, but defined in no subgraph.",
        "Define the type in one subgraph (`type`, not `extend type`).",
    ),
    "EXTERNAL_ARGUMENT_DEFAULT_MISMATCH": Meaning(
        "An argument of an @external field has another default than where the field is resolved.",
        "Write the same default.",
    ),
    "EXTERNAL_ARGUMENT_MISSING": Meaning(
        "An @external field lacks an argument that it has where it is resolved.", "Declare the argument here too."
    ),
    "EXTERNAL_ARGUMENT_TYPE_MISMATCH": Meaning(
        "An argument of an @external field has another type than where the field is resolved.", "Write the same type."
    ),
    "EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE": Meaning(
        "A field is @external and has a directive that only its resolver can use.", "Keep one of the two."
    ),
    "EXTERNAL_MISSING_ON_BASE": Meaning(
        "A field is @external wherever it is declared.",
        "Resolve it in one subgraph: declare it there without @external.",
    ),
    "EXTERNAL_ON_INTERFACE": Meaning(
        "A field of an interface is @external.", "Mark the fields of the implementations instead."
    ),
    "EXTERNAL_TYPE_MISMATCH": Meaning(
        "An @external field has another type than where it is resolved.", "Write the type that its resolver declares."
    ),
    "EXTERNAL_UNUSED": Meaning(
        "A field is @external, but nothing in its subgraph uses it.",
        "Remove the field, or use it in a @key, @requires or @provides.",
    ),
    "FIELD_ARGUMENT_DEFAULT_MISMATCH": Meaning(
        "An argument has different defaults in its subgraphs.", "Write the same default everywhere."
    ),
    "FIELD_ARGUMENT_TYPE_MISMATCH": Meaning(
        "An argument has types that don't fit together.", "Write the same type everywhere; only nullability may differ."
    ),
    "FIELD_TYPE_MISMATCH": Meaning(
        "A field has types that don't fit together.",
        "Write the same type everywhere; nullability may differ, and one type may be a subtype of another.",
    ),
    "IMPLEMENTED_BY_INACCESSIBLE": Meaning(
        "A hidden field or argument is needed by an interface that clients see.", "Hide it on the interface as well."
    ),
    "INPUT_FIELD_DEFAULT_MISMATCH": Meaning(
        "An input field has different defaults in its subgraphs.", "Write the same default everywhere."
    ),
    "INTERFACE_FIELD_NO_IMPLEM": Meaning(
        "An interface has a field that a type implementing it elsewhere lacks.",
        "Add the field to the implementation, in any subgraph.",
    ),
    "INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE": Meaning(
        "A subgraph has an interface with a @key, but lacks some of its implementations.",
        "Define all implementations there, each with the key.",
    ),
    "INTERFACE_KEY_NOT_ON_IMPLEMENTATION": Meaning(
        "An implementation lacks the resolvable @key of its interface.", "Give it the same @key."
    ),
    "INTERFACE_OBJECT_USAGE_ERROR": Meaning(
        "An @interfaceObject has no key, no interface elsewhere, or implementations beside it.",
        "Define the interface with a @key in another subgraph, its implementations there, and the same @key here.",
    ),
    "INVALID_FIELD_SHARING": Meaning(
        "Several subgraphs resolve a field, and not all of them agreed to that.",
        "Mark it @shareable in each of them (the field or its type), or resolve it in one alone.",
    ),
    "INVALID_GRAPHQL": Meaning("The SDL breaks a rule of GraphQL itself.", "Write SDL that GraphQL allows."),
    "INVALID_LINK_DIRECTIVE_USAGE": Meaning(
        "A @link's arguments or imports break the link specification.",
        "Import what the linked version has; directives with their @.",
    ),
    "INVALID_LINK_IDENTIFIER": Meaning(
        "A @link's URL doesn't name a specification and a version.", "End the URL in a name and a version: /name/v1.0."
    ),
    "INVALID_SHAREABLE_USAGE": Meaning(
        "@shareable is where it has no meaning, or there twice.", "Put it once, on objects or their fields."
    ),
    "INVALID_SUBGRAPH_NAME": Meaning(
        "A subgraph has no name, a reserved one, or another's.", 'Give each a name of its own; "_" is reserved.'
    ),
    "KEY_FIELDS_HAS_ARGS": Meaning(
        "The field set of a @key uses a field that takes arguments.", "Use fields without arguments there."
    ),
    "KEY_FIELDS_SELECT_INVALID_TYPE": Meaning(
        "A @key selects an interface or a union.", "Make keys of scalars, enums, objects and lists of these."
    ),
    "LINK_IMPORT_NAME_MISMATCH": Meaning(
        "A directive that is merged has different names in different subgraphs.", "Import it under one name everywhere."
    ),
    "LIST_SIZE_APPLIED_TO_NON_LIST": Meaning(
        "@listSize is on, or sizes, a field that is no list.", "Put it on lists, or name lists in sizedFields."
    ),
    "LIST_SIZE_INVALID_ASSUMED_SIZE": Meaning("@listSize assumes a negative size.", "Give 0 or more."),
    "LIST_SIZE_INVALID_SIZED_FIELD": Meaning(
        "@listSize(sizedFields:) names a field that isn't there.", "Name fields of the type that the field gives."
    ),
    "LIST_SIZE_INVALID_SLICING_ARGUMENT": Meaning(
        "@listSize(slicingArguments:) names an argument that isn't there, or no Int.",
        "Name Int arguments of the field.",
    ),
    "MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL": Meaning(
        "A directive that is merged is on an @external field, where it has no effect.",
        "Move it to the subgraph that resolves the field.",
    ),
    "MISSING_TRANSITIVE_AUTH_REQUIREMENTS": Meaning(
        "A field reads guarded data by @requires or @fromContext without asking for the same access.",
        "Repeat the access requirements of what it reads.",
    ),
    "NO_CONTEXT_IN_SELECTION": Meaning(
        "A @fromContext names no context.", 'Write the context before the selection: "$name { field }".'
    ),
    "NO_QUERIES": Meaning("No subgraph has a query.", "Declare a field of Query in at least one subgraph."),
    "NO_SUBGRAPHS": Meaning("The set of subgraphs is empty.", "Give at least one subgraph."),
    "ONE_OF_MISMATCH": Meaning(
        "An input type is @oneOf in some subgraphs alone.",
        "Mark it @oneOf in each subgraph that has it, or in none: clients send the same value to all of them.",
    ),
    "ONLY_INACCESSIBLE_CHILDREN": Meaning(
        "A type that clients see has nothing that they see.", "Hide the type as well, or show one of its fields."
    ),
    "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE": Meaning(
        "@override is on a field, or takes over one, that has @external, @requires or @provides.",
        "Remove the other directive first.",
    ),
    "OVERRIDE_FROM_SELF_ERROR": Meaning(
        "An @override names its own subgraph.", "Name the subgraph that it takes over."
    ),
    "OVERRIDE_LABEL_INVALID": Meaning(
        "The label of an @override is neither percent(0 to 100) nor a name.", 'Write label: "percent(10)" or a name.'
    ),
    "OVERRIDE_ON_INTERFACE": Meaning(
        "@override is on a field of an interface.", "Put it on the fields of the implementations."
    ),
    "OVERRIDE_SOURCE_HAS_OVERRIDE": Meaning(
        "The field that is taken over is itself an @override.", "Remove the older @override."
    ),
    "PROVIDES_FIELDS_HAS_ARGS": Meaning(
        "The field set of a @provides uses a field that takes arguments.", "Use fields without arguments there."
    ),
    "PROVIDES_FIELDS_MISSING_EXTERNAL": Meaning(
        "A @provides names a field that its subgraph resolves anyway.", _EXTERNAL_LEAF
    ),
    "PROVIDES_ON_NON_OBJECT_FIELD": Meaning(
        "@provides is on a field whose values have no fields.", "Put it on fields that give objects."
    ),
    "QUERY_ROOT_TYPE_INACCESSIBLE": Meaning("The query root is @inaccessible.", "Leave the query root visible."),
    "REFERENCED_INACCESSIBLE": Meaning(
        "Something that clients see is of a type that they don't.", "Hide the field or argument as well."
    ),
    "REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH": Meaning(
        "An argument is mandatory in one subgraph and missing in another.",
        "Declare it everywhere, or make it nullable or give it a default.",
    ),
    "REQUIRED_INACCESSIBLE": Meaning(
        "A mandatory argument or input field is @inaccessible, so no client could give it.",
        "Make it nullable, give it a default, or show it.",
    ),
    "REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH": Meaning(
        "An input field is mandatory in one subgraph and missing in another.",
        "Declare it everywhere, or make it nullable or give it a default.",
    ),
    "REQUIRES_FIELDS_MISSING_EXTERNAL": Meaning(
        "A @requires names a field that its subgraph resolves itself.", _EXTERNAL_LEAF
    ),
    "ROOT_MUTATION_USED": Meaning(
        "A type is named Mutation, but the mutation root is another.", "Rename one of the two."
    ),
    "ROOT_QUERY_USED": Meaning("A type is named Query, but the query root is another.", "Rename one of the two."),
    "ROOT_SUBSCRIPTION_USED": Meaning(
        "A type is named Subscription, but the subscription root is another.", "Rename one of the two."
    ),
    "SATISFIABILITY_ERROR": Meaning(
        "The subgraphs merge, but some query of the result can't be answered by going from subgraph to subgraph.",
        "Give the type a @key in the subgraph that resolves the field, made of fields that the others have.",
    ),
    "SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES": Meaning(
        "A shared field gives objects of types that its subgraphs don't have in common.",
        "Let the subgraphs have at least one possible type in common, or resolve the field in one alone.",
    ),
    "TYPE_DEFINITION_INVALID": Meaning(
        "A subgraph defines a type of the federation otherwise than the specification does.",
        "Remove the definition, or define the scalar.",
    ),
    "TYPE_KIND_MISMATCH": Meaning(
        "One name is given to different kinds of types.", "Use one kind everywhere, or rename one of them."
    ),
    "TYPE_WITH_ONLY_UNUSED_EXTERNAL": Meaning(
        "A federation 1 type has only unused @external fields, but is referred to.",
        "Remove the references, or declare a field of its own.",
    ),
    "UNKNOWN_FEDERATION_LINK_VERSION": Meaning(
        "A @link names a version of the federation specification that isn't known.", "Link a known version."
    ),
    "UNKNOWN_LINK_VERSION": Meaning(
        "A @link names a version of the link specification that isn't known.", "Link link/v1.0."
    ),
}

HINTS: Final[Mapping[str, Meaning]] = {
    "DIRECTIVE_COMPOSITION_INFO": Meaning(
        "A custom directive is linked in versions that differ.", "Link the same version everywhere."
    ),
    "DIRECTIVE_COMPOSITION_WARN": Meaning(
        "A @composeDirective names a directive that is composed anyway, or one that the federation keeps to itself.",
        "Remove the @composeDirective.",
    ),
    "FROM_SUBGRAPH_DOES_NOT_EXIST": Meaning(
        "An @override names a subgraph that isn't there.", "Name one of the subgraphs, or remove the @override."
    ),
    "INCONSISTENT_ARGUMENT_PRESENCE": Meaning(
        "An optional argument isn't in all subgraphs, so clients won't have it.", "Declare it everywhere."
    ),
    "INCONSISTENT_BUT_COMPATIBLE_ARGUMENT_TYPE": Meaning(
        "An argument has types that differ but fit together; clients see the strictest.",
        "Write the same type everywhere.",
    ),
    "INCONSISTENT_BUT_COMPATIBLE_FIELD_TYPE": Meaning(
        "A field has types that differ but fit together; clients see the loosest.", "Write the same type everywhere."
    ),
    "INCONSISTENT_DEFAULT_VALUE_PRESENCE": Meaning(
        "A default value is in some subgraphs only, so clients won't have it.", "Write the default everywhere."
    ),
    "INCONSISTENT_DESCRIPTION": Meaning(
        "An element is described in different words; the most common are taken.", "Write the same description."
    ),
    "INCONSISTENT_ENTITY": Meaning(
        "A type is an entity in some subgraphs and has no @key in others.", "Give it a @key everywhere."
    ),
    "INCONSISTENT_ENUM_VALUE_FOR_INPUT_ENUM": Meaning(
        "A value of an enum used for input isn't in all subgraphs, so clients can't use it.", "Add it everywhere."
    ),
    "INCONSISTENT_ENUM_VALUE_FOR_OUTPUT_ENUM": Meaning(
        "A value of an enum used for output isn't in all subgraphs.", "Add it everywhere."
    ),
    "INCONSISTENT_EXECUTABLE_DIRECTIVE_LOCATIONS": Meaning(
        "An executable directive has different locations; clients have those in common.",
        "Allow the same locations everywhere.",
    ),
    "INCONSISTENT_EXECUTABLE_DIRECTIVE_PRESENCE": Meaning(
        "An executable directive isn't defined in all subgraphs, so clients won't have it.", "Define it everywhere."
    ),
    "INCONSISTENT_EXECUTABLE_DIRECTIVE_REPEATABLE": Meaning(
        "An executable directive is repeatable in some subgraphs only, so it isn't for clients.",
        "Make it repeatable everywhere or nowhere.",
    ),
    "INCONSISTENT_INPUT_OBJECT_FIELD": Meaning(
        "An optional input field isn't in all subgraphs, so clients won't have it.", "Declare it everywhere."
    ),
    "INCONSISTENT_INTERFACE_VALUE_TYPE_FIELD": Meaning(
        "A field of an interface isn't in all its subgraphs.", "Declare it everywhere."
    ),
    "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS": Meaning(
        "A directive that can't be repeated has different arguments; the most common are taken.",
        "Write the same arguments everywhere.",
    ),
    "INCONSISTENT_OBJECT_VALUE_TYPE_FIELD": Meaning(
        "A field of a type without key isn't in all its subgraphs.", "Declare it everywhere, or give the type a @key."
    ),
    "INCONSISTENT_RUNTIME_TYPES_FOR_SHAREABLE_RETURN": Meaning(
        "A shared field can give other types in one subgraph than in another.", "Let the possible types be the same."
    ),
    "INCONSISTENT_UNION_MEMBER": Meaning(
        "A member of a union isn't in all its subgraphs.", "Declare the same members everywhere."
    ),
    "MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS": Meaning(
        "A directive that can't be repeated has different arguments; they were merged into one.",
        "Write the same arguments everywhere.",
    ),
    "NO_EXECUTABLE_DIRECTIVE_INTERSECTION": Meaning(
        "An executable directive has no location that all subgraphs allow, so clients won't have it.",
        "Have at least one location in common.",
    ),
    "OVERRIDDEN_FIELD_CAN_BE_REMOVED": Meaning(
        "A field was taken over by another subgraph for good.", "Remove it where it was, once all is deployed."
    ),
    "OVERRIDE_DIRECTIVE_CAN_BE_REMOVED": Meaning(
        "An @override takes over a field that the other subgraph no longer has.", "Remove the @override."
    ),
    "OVERRIDE_MIGRATION_IN_PROGRESS": Meaning(
        "A field is being taken over step by step (progressive @override).", "Finish the move: drop the label."
    ),
    "UNUSED_ENUM_TYPE": Meaning("An enum is used nowhere; its values are all kept.", "Remove it, or use it."),
}


def meaning(code: str) -> Meaning | None:
    """None for a code that isn't composition's."""
    return ERRORS.get(code) or HINTS.get(code)
