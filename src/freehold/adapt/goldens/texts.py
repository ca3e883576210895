"""The texts that goldens of text models are recorded of, each with its shape class."""

LABELLED = (
    ("short", ""),
    ("short", "!"),
    ("en", "How do I reset my password?"),
    ("en", "The invoice of 2024-03-31 (EUR 1,249.50) is overdue: see https://example.com/pay?id=7."),
    ("zh", "我们的售后政策是什么？七天内可以无理由退货。"),
    ("zh", "Ünïcödé, emoji 🚀 and a mixed 句子 in one line."),
    ("en", "def area(r):\n    return 3.14159 * r ** 2"),
    (
        "long",
        "A long paragraph shows what short ones hide. "
        "The archive of the company holds forty years of letters, drawings and contracts; nobody has read all of it. "
        "Whoever looks for one clause asks a colleague, who asks another, until somebody remembers a folder in the "
        "cellar. "
        "Search by meaning should find it in a second, and should find it again tomorrow with the very same score.",
    ),
)
TEXTS = tuple(text for _, text in LABELLED)
QUERY = "How long may goods be returned?"
