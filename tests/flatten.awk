# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# JSON, one "path value" a line: traces.0.policies.kvm.flushes 8646. A list of
# objects that have a name goes by that name. Exit status 1 if it is not JSON.

function fail(what)
{
	print "not JSON: " what ": " substr(text, 1, 40)
	failed = 1
	exit 1
}

function skip(count)
{
	text = substr(text, count + 1)
	sub(/^[ \t\r\n]+/, "", text)
}

function note(path, value)
{
	paths[++count] = path
	values[count] = value
	if (path ~ /\.name$/)
		names[substr(path, 1, length(path) - 5)] = value
}

function string(   value)
{
	if (!match(text, /^"([^"\\]|\\.)*"/))
		fail("a string")
	value = substr(text, 2, RLENGTH - 2)
	if (value ~ /[\001-\037]/)
		fail("a control character")
	skip(RLENGTH)
	return value
}

function members(path, is_list, close_mark,   key, mark, index_)
{
	skip(1)
	if (substr(text, 1, 1) == close_mark) {
		note(path, is_list ? "[]" : "{}")
		skip(1)
		return
	}
	do {
		key = index_++
		if (!is_list) {
			key = string()
			if (substr(text, 1, 1) != ":")
				fail("a colon")
			skip(1)
		}
		element(path == "" ? key : path "." key)
		mark = substr(text, 1, 1)
		skip(1)
	} while (mark == ",")
	if (mark != close_mark)
		fail("the end of " path)
}

function element(path,   first)
{
	first = substr(text, 1, 1)
	if (first == "{") {
		members(path, 0, "}")
	} else if (first == "[") {
		members(path, 1, "]")
	} else if (first == "\"") {
		note(path, string())
	} else if (match(text, /^(true|false|null|-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) {
		note(path, substr(text, 1, RLENGTH))
		skip(RLENGTH)
	} else {
		fail("a value")
	}
}

function by_name(path,   at, prefix, rest)
{
	if (!match(path, /\.policies\.[0-9]+/))
		return path
	prefix = substr(path, 1, RSTART + RLENGTH - 1)
	rest = substr(path, RSTART + RLENGTH)
	at = substr(path, 1, RSTART - 1) ".policies."
	return prefix in names ? at names[prefix] rest : path
}

{ text = text $0 "\n" }

END {
	if (failed)
		exit 1
	skip(0)
	element("")
	if (text != "")
		fail("the end")
	for (i = 1; i <= count; i++)
		print by_name(paths[i]), values[i]
}
