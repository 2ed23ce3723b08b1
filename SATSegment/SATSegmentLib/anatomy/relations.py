"""How two terms can relate."""

IS_A = "is a"
PART_OF = "part of"
WITHIN = "within"  # broader, but the source does not say whether as the kind or as the whole
LOCATED_IN = "located in"  # a lesion in its organ
CONTAINS = "contains"
ADJACENT = "adjacent to"

KINDS = (IS_A, PART_OF, WITHIN, LOCATED_IN, CONTAINS, ADJACENT)
UPWARD = frozenset((IS_A, PART_OF, WITHIN, LOCATED_IN))
