# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The work of ci/invariants, which says what it looks for.

function complain(what) {
	print FILENAME ":" FNR ": " what >"/dev/stderr"
	bad = 1
}

function is_test() { return FILENAME ~ /^tests\// }

function stem(path) {
	sub(/.*\//, "", path)
	sub(/\.[ch]$/, "", path)
	return path
}

function joined(list, separator, more) { return list == "" ? more : list separator more }

# --- what comments say ----------------------------------------------------------

# "P1, P2" or "P1, MOVED" of a test: it guards each.
function note_guards(ids, where,    count, names, i) {
	gsub(/[.,]/, " ", ids)
	count = split(ids, names, " ")
	for (i = 1; i <= count; i++) {
		if (seen_guard[names[i], where]++)
			continue
		if (!(names[i] in guard_at))
			guard_at[names[i]] = FILENAME ":" FNR
		guards[names[i]] = joined(guards[names[i]], SUBSEP, where)
	}
}

function note_keep(ids, text, where,    count, names, i) {
	sub(/[.]?[ ]*$/, "", text)
	count = split(ids, names, /, /)
	for (i = 1; i <= count; i++) {
		if (!(names[i] in keep_at))
			keep_at[names[i]] = FILENAME ":" FNR
		keeps[names[i]] = joined(keeps[names[i]], "; ", where text)
	}
}

# The comment that was read: lines in comment[1 .. lines]; @where is for code.
function end_comment(where,    i, ids, text, line) {
	ids = ""
	for (i = 1; i <= lines + 1; i++) {
		line = i <= lines ? comment[i] : ""
		if (i <= lines && line != "" && line !~ /^[A-Z][0-9]+(, [A-Z][0-9]+)*: /) {
			if (ids != "")
				text = text " " line
			continue
		}
		if (ids != "")
			note_keep(ids, text, where)
		ids = ""
		if (line != "") {
			ids = line
			sub(/: .*/, "", ids)
			text = line
			sub(/^[^:]*: /, "", text)
		}
	}
	lines = 0
}

# Guards of a test's comment; a list may go on over lines, and ends with a stop.
function end_test_comment(where,    i, text) {
	for (i = 1; i <= lines; i++)
		text = text " " comment[i]
	lines = 0
	if (match(text, /^ *Guards [A-Z0-9_, ]+\./) || (where ~ /^all/ && match(text, / Guards [A-Z0-9_, ]+\./))) {
		text = substr(text, RSTART, RLENGTH)
		sub(/^ *Guards /, "", text)
		note_guards(text, where)
	}
}

function add_comment_line(line) {
	sub(/^[ \t]*\/?\*+\/?[ \t]?/, "", line)
	sub(/[ \t]*\*\/.*/, "", line)
	sub(/^[ \t]+/, "", line)
	sub(/[ \t]+$/, "", line)
	comment[++lines] = line
}

# --- reading ----------------------------------------------------------------------

FNR == 1 {
	flush_pending()
	within = ""
	candidate = ""
	comments = 0
	in_comment = 0
	stated = ""
}

# Comments above a function are about it, so they wait for its name.
function hold() {
	held++
	for (i = 1; i <= lines; i++)
		held_line[held, i] = comment[i]
	held_lines[held] = lines
	lines = 0
}

function flush_pending() { held = 0 }

function release(name,    h, i) {
	for (h = 1; h <= held; h++) {
		for (i = 1; i <= held_lines[h]; i++)
			comment[i] = held_line[h, i]
		lines = held_lines[h]
		if (is_test())
			end_test_comment(name)
		else
			end_comment("`" name "`: ")
	}
	held = 0
}

# The first comment that says something is the file's.
function finish_comment(    is_first) {
	if (comment[1] !~ /^(SPDX-|build:)/)
		is_first = ++comments == 1
	if (is_test() && is_first)
		end_test_comment("all of " stem(FILENAME))
	else if (within == "" && !is_first)
		hold()
	else if (is_test())
		end_test_comment(within)
	else if (!is_first)
		end_comment("`" within "`: ")
	lines = 0
}

# Statements of headers.
FILENAME ~ /^include\// && /^ \*   [A-Z][0-9]+  [^ ]/ {
	id = $2
	line = $0
	sub(/^ \*   [A-Z][0-9]+  /, "", line)
	if (id in statement)
		complain("invariant " id " is also one of " header[id])
	invariant[++invariants] = id
	statement[id] = line
	header[id] = FILENAME
	stated_at[id] = FILENAME ":" FNR
	stated = id
	next
}
stated != "" && /^ \*       [^ ]/ {
	line = $0
	sub(/^ \* +/, "", line)
	statement[stated] = statement[stated] " " line
	next
}
{ stated = "" }

# The table of rules.
FILENAME == "include/tlbtag/rules.h" && /^\tX\(|^\t  *"|^\t  *[A-Z]/ {
	line = $0
	sub(/[ \t]*\\$/, "", line)
	sub(/^[ \t]+/, "", line)
	entry = line ~ /^X\(/ ? line : entry " " line
	if (entry ~ /\)$/ && entry ~ /^X\(/) {
		id = entry
		sub(/^X\(/, "", id)
		sub(/,.*/, "", id)
		if (split(entry, part, "\"") >= 5) {
			rule[++rules] = id
			rule_text[id] = part[2]
			rule_source[id] = part[4]
			stated_at[id] = FILENAME ":" FNR
		}
	}
	next
}

in_comment {
	add_comment_line($0)
	if (/\*\//) {
		in_comment = 0
		finish_comment()
	}
	next
}
/^[ \t]*\/\*/ {
	add_comment_line($0)
	if (/\*\//)
		finish_comment()
	else
		in_comment = 1
	next
}

# Functions: a name in the first column, a brace in the first column.
/^[A-Za-z_]/ && /\(/ {
	name = $0
	if (name ~ /^TEST\(/) {
		sub(/^TEST\(/, "", name)
		sub(/\).*/, "", name)
		test_of[name] = stem(FILENAME)
	} else {
		sub(/\(.*/, "", name)
		sub(/.*[ \t*]/, "", name)
	}
	candidate = name
	if (/;[ \t]*$/)
		flush_pending()
}
/^\{/ && candidate != "" {
	within = candidate
	release(within)
}
/^\}/ {
	within = ""
	candidate = ""
	flush_pending()
}

# Rules consulted, rules switched off, assertions.
{
	line = $0
	while (!is_test() && match(line, /TLBTAG_RULE\([A-Z0-9_]+\)/)) {
		id = substr(line, RSTART + 12, RLENGTH - 13)
		if (FILENAME ~ /^lib\// && !seen_consult[id, within]++) {
			consults[id] = joined(consults[id], ", ", "`" within "`")
			consult_at[id] = FILENAME ":" FNR
		}
		line = substr(line, RSTART + RLENGTH)
	}
	line = $0
	while (is_test() && match(line, /TLBTAG_RULE_[A-Z0-9_]+/)) {
		id = substr(line, RSTART + 12, RLENGTH - 12)
		named[id, stem(FILENAME)]
		line = substr(line, RSTART + RLENGTH)
	}
	if (is_test() && /sim_rule_off\(/ && !switches[stem(FILENAME)]++)
		switching[++switchings] = stem(FILENAME)
	line = $0
	if (!is_test() && match(line, /"[A-Z][0-9]+: [^"]*"/)) {
		line = substr(line, RSTART + 1, RLENGTH - 2)
		id = line
		sub(/:.*/, "", id)
		sub(/^[^:]*: /, "", line)
		note_keep(id, "\"" line "\"", "checked in `" within "`: ")
	}
}

# --- the document -------------------------------------------------------------------

# The tests that name @id, of those that switch rules off.
function off_in(id,    i, result) {
	for (i = 1; i <= switchings; i++)
		if ((id, switching[i]) in named)
			result = joined(result, ", ", "`" switching[i] "`")
	return result
}

# The tests that guard @id, by file, as the files are named: "`pool_test`: `a`, `b`".
function guards_of(id,    count, names, i, file, by, files, order, result) {
	count = split(guards[id], names, SUBSEP)
	for (i = 1; i <= count; i++) {
		if (names[i] ~ /^all of /) {
			file = substr(names[i], 8)
			if (!(file in by))
				order[++files] = file
			by[file] = by[file] ""
			continue
		}
		file = test_of[names[i]]
		if (file == "")
			file = "?"
		if (!(file in by))
			order[++files] = file
		by[file] = joined(by[file], ", ", "`" names[i] "`")
	}
	for (i = 1; i <= files; i++) {
		file = order[i]
		result = joined(result, "; ",
				by[file] == "" ? "all of `" file "`" : "`" file "`: " by[file])
	}
	return result
}

function told(where, what) {
	print where ": " what >"/dev/stderr"
	bad = 1
}

END {
	for (i = 1; i <= invariants; i++) {
		id = invariant[i]
		if (!(id in keeps))
			told(stated_at[id], "no \"" id ": ...\" in lib/ says how invariant " id " is kept")
		if (!(id in guards))
			told(stated_at[id], "no test guards invariant " id)
		known[id]
	}
	for (i = 1; i <= rules; i++) {
		id = rule[i]
		if (!(id in consults))
			told(stated_at[id], "lib/ does not consult TLBTAG_RULE(" id ")")
		if (!(id in guards))
			told(stated_at[id], "no test guards rule " id)
		if (off_in(id) == "")
			told(stated_at[id], "no test switches rule " id " off")
		known[id]
	}
	for (id in keeps)
		if (!(id in known))
			told(keep_at[id], id " is kept, but no header states it")
	for (id in guards)
		if (!(id in known))
			told(guard_at[id], id " is guarded, but no header states it")
	for (id in consults)
		if (!(id in known))
			told(consult_at[id], "TLBTAG_RULE(" id ") is not in the table")
	if (!invariants || !rules)
		told("include/tlbtag", "no invariants or no rules were found")

	print "# Invariants and rules, and what guards them\n"
	print "<!-- Made by `make invariants` of include/, lib/ and tests/; ci/invariants says how. -->\n"
	print "An invariant is a statement that holds at all times; a rule (`include/tlbtag/rules.h`, `tlbtag rules`) is a decision that can be switched off in the sim port. \"Checked\" is an assertion that warns and takes the conservative way, with its text; all else is an argument at the function named. `make check` fails if one is stated but not kept, or not guarded by a test.\n"
	print "## Invariants\n"
	print "| ID | statement | where | kept by | tests |"
	print "|---|---|---|---|---|"
	for (i = 1; i <= invariants; i++) {
		id = invariant[i]
		sub(/[.]$/, "", statement[id])
		sub(/.*\//, "", header[id])
		print "| " id " | " statement[id] " | `" header[id] "` | " keeps[id] " | " guards_of(id) " |"
	}
	print "\n## Rules\n"
	print "Each rule is consulted by name in the functions given. The tests fail when it is removed; those of the last column switch it off themselves.\n"
	print "| rule | statement | source | consulted in | tests | switched off in |"
	print "|---|---|---|---|---|---|"
	for (i = 1; i <= rules; i++) {
		id = rule[i]
		print "| " id " | " rule_text[id] " | " rule_source[id] " | " consults[id] " | " guards_of(id) " | " off_in(id) " |"
	}
	exit bad
}
