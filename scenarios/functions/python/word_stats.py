"""word-stats: counts the words of {"text": string}."""

import re
from collections import Counter

from function import BadInput, serve


def handle(data):
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise BadInput('word-stats: the input must be {"text": string}')
    words = re.findall(r"[^\W_]+", data["text"].lower())
    counts = Counter(words)
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    return {
        "words": len(words),
        "unique": len(counts),
        "longest": max(words, key=len, default=""),
        "top": [{"word": word, "count": n} for word, n in top],
    }


serve(handle)
