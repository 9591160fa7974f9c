#!/bin/sh
# roman-numeral: converts {"number": 1 to 3999} to {"roman": string}.
# FILE mode when INPUT_FILE is set, STDIO otherwise. A shell has no JSON
# parser; the pattern below is enough for an input of one number.

convert() { # number -> roman
	n=$1 out=
	for pair in 1000:M 900:CM 500:D 400:CD 100:C 90:XC 50:L 40:XL 10:X 9:IX 5:V 4:IV 1:I; do
		while [ "$n" -ge "${pair%:*}" ]; do
			n=$((n - ${pair%:*})) out=$out${pair#*:}
		done
	done
	printf '{"roman":"%s"}' "$out"
}

number() { # JSON on stdin -> number, empty if there is none in range
	n=$(sed -n 's/.*"number"[[:space:]]*:[[:space:]]*\([0-9]\{1,4\}\)[[:space:]]*}.*/\1/p' | head -n 1 | sed 's/^0*//')
	[ -n "$n" ] && [ "$n" -le 3999 ] && echo "$n"
}

if [ -n "$INPUT_FILE" ]; then
	n=$(number <"$INPUT_FILE")
	[ -n "$n" ] || { echo 'roman-numeral: the number must be from 1 to 3999' >&2; exit 1; }
	convert "$n" >"$OUTPUT_FILE"
	exit
fi
while IFS= read -r line; do
	n=$(printf '%s\n' "$line" | number)
	if [ -n "$n" ]; then
		printf '{"output":%s}\n' "$(convert "$n")"
	else
		echo '{"error":{"code":"BAD_INPUT","message":"roman-numeral: the number must be from 1 to 3999"}}'
	fi
done
