"""roman-numeral: converts {"number": 1 to 3999} to {"roman": string} and back."""

from function import BadInput, serve

NUMERALS = [
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
]


def to_roman(n):
    out = ""
    for value, symbol in NUMERALS:
        out += symbol * (n // value)
        n %= value
    return out


def from_roman(s):
    n, rest = 0, s
    for value, symbol in NUMERALS:
        while rest.startswith(symbol) and n < 4000:
            n, rest = n + value, rest[len(symbol):]
    # Writing the number again catches forms such as IIII and VX.
    if rest or not 0 < n < 4000 or to_roman(n) != s:
        raise BadInput("roman-numeral: not a roman numeral: " + s)
    return n


def handle(data):
    if isinstance(data, dict) and isinstance(data.get("roman"), str):
        return {"number": from_roman(data["roman"])}
    n = data.get("number") if isinstance(data, dict) else None
    if type(n) is not int:
        raise BadInput('roman-numeral: the input must be {"number": integer} or {"roman": string}')
    if not 0 < n < 4000:
        raise BadInput("roman-numeral: the number must be from 1 to 3999")
    return {"roman": to_roman(n)}


serve(handle)
