#!/bin/sh
# word-stats: counts the words of {"text": string}, in FILE mode, for ASCII
# text. The string is taken out of the JSON with sed, which is enough for an
# input of one field.

text=$(tr '\n' ' ' <"$INPUT_FILE" | sed -n 's/^[[:space:]]*{[[:space:]]*"text"[[:space:]]*:[[:space:]]*"\(.*\)"[[:space:]]*}[[:space:]]*$/t\1/p')
[ -n "$text" ] || { echo 'word-stats: the input must be {"text": string}' >&2; exit 1; }

printf '%s' "${text#t}" |
	sed 's/\\[nrtbf]/ /g' |
	tr '[:upper:]' '[:lower:]' |
	tr -cs '[:alnum:]' '\n' |
	awk '
		/./ { words++; if (!count[$0]++) unique++; if (length($0) > length(longest)) longest = $0 }
		END {
			printf "{\"words\":%d,\"unique\":%d,\"longest\":\"%s\",\"top\":[", words, unique, longest
			for (rank = 1; rank <= 5 && rank <= unique; rank++) {
				best = ""
				for (w in count)
					if (best == "" || count[w] > count[best] || count[w] == count[best] && w < best) best = w
				printf "%s{\"word\":\"%s\",\"count\":%d}", (rank > 1 ? "," : ""), best, count[best]
				delete count[best]
			}
			print "]}"
		}' >"$OUTPUT_FILE"
