/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The page: well-formed whatever is in it, nothing of a file name is taken for
 * markup, no number that is none, and either all of a file or none of it.
 */
#include "test.h"

#include <cli/html.h>
#include <cli/markup.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64
#define NAME_SIZE 16

/* --- recordings, made by hand ------------------------------------------------ */

static void policies_add(struct replay_result *result)
{
	for (uint32_t index = 0; policies[index]; index++)
		result->policies[index].ops = policies[index];
	for (result->policy_count = 0; policies[result->policy_count];)
		result->policy_count++;
}

static struct policy_result *policy_named(struct replay_result *result, const char *name)
{
	for (uint32_t index = 0; index < result->policy_count; index++)
		if (!strcmp(result->policies[index].ops->name, name))
			return &result->policies[index];
	return NULL;
}

static void flushes_add(struct policy_result *policy, enum reason reason, uint32_t count)
{
	policy->counts.flushes[reason] += count;
	policy->flushes += count;
	policy->timeline[3] += count;
}

static struct replay_result *result_empty(const char *name)
{
	struct replay_result *result = calloc(1, sizeof(*result));

	result->file = name;
	result->bucket_ns = 1000;
	result->machine.asids = MACHINE_ASIDS_ASSUMED;
	policies_add(result);
	return result;
}

/* 12,345 entries, of which 6,789 flushed and 2,000 had to. */
static struct replay_result *result_usual(const char *name)
{
	struct replay_result *result = result_empty(name);

	result->vm_entries = 12345;
	result->l1_entries = 12000;
	result->l2_entries = 345;
	result->vms = 1;
	result->vcpus = 2;
	result->cpus = 2;
	result->buckets = 7;
	result->recorded_known = true;
	result->recorded_flushes = 6789;
	result->recorded[MEANS_CONTROL_3] = 6700;
	result->recorded[MEANS_NEW_ASID] = 89;
	result->recorded_timeline[3] = 6789;
	flushes_add(policy_named(result, "kvm"), REASON_TRANSITION, 6789);
	flushes_add(policy_named(result, "tlbtag"), REASON_MOVED, 2020);
	flushes_add(policy_named(result, "needed"), REASON_MOVED, 2000);
	return result;
}

/* --- a directory of its own, the page as text ---------------------------------- */

static char directory[] = "/tmp/html_test.XXXXXX";

static const char *place(const char *name)
{
	static char path[512];

	if (strstr(directory, "XXXXXX") && !mkdtemp(directory))
		CHECK(!"a directory could be made");
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static unsigned int directory_clear(void)
{
	DIR *open = opendir(directory);
	unsigned int count = 0;
	struct dirent *entry;

	while ((entry = readdir(open))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		count++;
		CHECK_EQ(unlinkat(dirfd(open), entry->d_name, 0), 0);
	}
	closedir(open);
	return count;
}

__attribute__((destructor)) static void directory_remove(void)
{
	rmdir(directory);
}

static char *file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat status;
	char *text;

	if (!CHECK(file != NULL))
		return calloc(1, 1);
	fstat(fileno(file), &status);
	text = calloc(1, (size_t)status.st_size + 1);
	CHECK_EQ(fread(text, 1, (size_t)status.st_size, file), status.st_size);
	fclose(file);
	return text;
}

/* The page on some recordings; to be freed. */
static char *page_text(const struct replay_result *results, size_t count)
{
	char error[512] = "";
	char *text;

	CHECK_EQ(html_write(place("page.html"), results, count, error, sizeof(error)), 0);
	CHECK_STR_EQ(error, "");
	text = file_text(place("page.html"));
	CHECK_EQ(directory_clear(), 1);
	return text;
}

static unsigned int count_of(const char *text, const char *part)
{
	unsigned int count = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		count++;
	return count;
}

/* --- balance: every element that is opened is closed, in order ------------------- */

struct balance {
	char open[DEPTH_MAX][NAME_SIZE];
	unsigned int depth;
	bool failed;
};

static bool is_void(const char *name)
{
	return !strcmp(name, "meta") || !strcmp(name, "br") || name[0] == '!';
}

/* The end of a tag; a quoted ">" is none. */
static const char *tag_end(const char *text)
{
	bool quoted = false;

	for (; *text && (quoted || *text != '>'); text++) {
		if (*text == '"')
			quoted = !quoted;
		if (quoted && *text == '<')
			return NULL;
	}
	return *text && !quoted ? text : NULL;
}

static void balance_close(struct balance *balance, const char *name)
{
	if (!balance->depth || strcmp(balance->open[balance->depth - 1], name)) {
		test_failed(__FILE__, __LINE__, "</%s> closes <%s>", name,
			    balance->depth ? balance->open[balance->depth - 1] : "");
		balance->failed = true;
		return;
	}
	balance->depth--;
}

static void balance_open(struct balance *balance, const char *name)
{
	if (is_void(name))
		return;
	if (balance->depth == DEPTH_MAX) {
		balance->failed = true;
		return;
	}
	strcpy(balance->open[balance->depth++], name);
}

/* Returns what follows the tag; NULL if it is none. */
static const char *balance_tag(struct balance *balance, const char *tag)
{
	bool closes = tag[1] == '/';
	const char *begin = tag + 1 + closes;
	const char *end = tag_end(begin);
	char name[NAME_SIZE];

	if (!end)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(begin, " />\n"), begin);
	if (closes)
		balance_close(balance, name);
	else if (end[-1] != '/')
		balance_open(balance, name);
	return end + 1;
}

static bool is_balanced(const char *text)
{
	struct balance balance = { .depth = 0 };

	while (text && !balance.failed && (text = strchr(text, '<')))
		if (!(text = balance_tag(&balance, text)))
			balance.failed = true;
	return !balance.failed && balance.depth == 0;
}

TEST(balance_is_told_from_its_absence)
{
	CHECK(is_balanced("<!DOCTYPE html><p title=\"a > b\">x<br><b>y</b><line/></p>"));
	CHECK(!is_balanced("<p><b>x</b>"));
	CHECK(!is_balanced("<p title=\"x>y</p>"));
	CHECK(!is_balanced("<p>a < b</p>"));
}

/* Text of the page without its tags and without the style sheet. */
static void check_page(const char *text)
{
	const char *body = strstr(text, "<body>");

	CHECK(is_balanced(text));
	if (!CHECK(body != NULL))
		return;
	CHECK_EQ(count_of(body, "nan"), count_of(body, "nanoseconds"));
	CHECK_EQ(count_of(body, "inf%"), 0);
	CHECK_EQ(count_of(body, ">inf"), 0);
	CHECK_EQ(count_of(body, "=\"-"), count_of(body, "dx=\"-6\""));
	CHECK_EQ(count_of(text, "<script"), 0);
	CHECK_EQ(count_of(text, "http:"), 0);
	CHECK_EQ(count_of(text, "https:"), 0);
	CHECK_EQ(count_of(text, "@import"), 0);
}

static void check_results(const struct replay_result *results, size_t count)
{
	char *text = page_text(results, count);

	check_page(text);
	free(text);
}

/* --- pages ------------------------------------------------------------------------ */

TEST(headline_answers_the_question)
{
	struct replay_result *result = result_usual("a.trace");
	char *text = page_text(result, 1);

	check_page(text);
	CHECK(strstr(text, "flushed the TLB at 6,789 of 12,345 VM entries (55&nbsp;%)."));
	CHECK(strstr(text, "The rules demand 2,000 (16&nbsp;%)"));
	CHECK(strstr(text, "71&nbsp;% of the flushes were not needed."));
	CHECK(strstr(text, "1.01×"));
	CHECK(strstr(text, "<title>transition: 6,789 of 6,789 flushes (100.0&nbsp;%)</title>"));
	free(text);
	free(result);
}

TEST(headline_without_a_record_is_about_the_model)
{
	struct replay_result *result = result_usual("a.trace");
	char *text;

	result->recorded_known = false;
	result->recorded_flushes = 0;
	memset(result->recorded, 0, sizeof(result->recorded));
	result->missing[0] = "something <was> missing";
	text = page_text(result, 1);
	check_page(text);
	CHECK(strstr(text, "as modelled, would flush the TLB at 6,789 of 12,345"));
	CHECK(strstr(text, "<li>something &lt;was&gt; missing.</li>"));
	CHECK_EQ(count_of(text, "recorded kernel flushed"), 0);
	free(text);
	free(result);
}

TEST(headline_when_nothing_is_superfluous)
{
	struct replay_result *result = result_usual("a.trace");
	char *text;

	result->recorded_flushes = 2000;
	text = page_text(result, 1);
	CHECK(strstr(text, "(16&nbsp;%), just as many."));
	free(text);
	result->recorded_flushes = 1990;
	text = page_text(result, 1);
	CHECK(strstr(text, "(16&nbsp;%), 10 more."));
	check_page(text);
	free(text);
	free(result);
}

TEST(page_without_entries)
{
	struct replay_result *result = result_empty("a.trace");
	char *text = page_text(result, 1);

	check_page(text);
	CHECK(strstr(text, "There is no VM entry in this recording."));
	free(text);
	free(result);
	check_results(NULL, 0);
}

TEST(page_of_any_one_policy)
{
	struct replay_result *result = result_usual("a.trace");
	struct replay_result *one = result_usual("a.trace");

	one->policy_count = 1;
	for (uint32_t index = 0; index < result->policy_count; index++) {
		one->policies[0] = result->policies[index];
		one->recorded_known = index % 2;
		check_results(one, 1);
	}
	one->policy_count = 0;
	check_results(one, 1);
	free(one);
	free(result);
}

/* Numbers as they can just be: nothing may be divided by them or overflow. */
TEST(page_of_extreme_numbers)
{
	struct replay_result *result = result_usual("a.trace");

	result->vm_entries = 1;
	result->buckets = 1;
	check_results(result, 1);
	result->buckets = REPLAY_BUCKETS;
	result->bucket_ns = 1000ull << 40;
	result->vm_entries = 1ull << 60;
	result->recorded_flushes = 1ull << 59;
	result->recorded[MEANS_CONTROL_3] = 1ull << 59;
	result->recorded_timeline[255] = UINT32_MAX;
	result->lost = 1ull << 59;
	check_results(result, 1);
	result->bucket_ns = 1000ull << 47;
	result->recorded_flushes = UINT64_MAX;
	policy_named(result, "needed")->flushes = 1;
	policy_named(result, "xen")->flushes = 9999999999999999999ull;
	check_results(result, 1);
	free(result);
}

TEST(page_of_every_reason_and_means)
{
	struct replay_result *result = result_usual("a.trace");
	char *text;

	for (int reason = 0; reason < REASON_COUNT; reason++)
		flushes_add(policy_named(result, "xen"), reason, 10 + (uint32_t)reason);
	for (int means = 0; means < MEANS_COUNT; means++)
		result->recorded[means] = 100;
	result->recorded_flushes = 100 * MEANS_COUNT;
	text = page_text(result, 1);
	check_page(text);
	for (int reason = 0; reason < REASON_COUNT; reason++)
		CHECK(strstr(text, reason_meaning(reason)));
	for (int means = 0; means < MEANS_COUNT; means++)
		CHECK(strstr(text, means_meaning(means)));
	free(text);
	free(result);
}

TEST(warnings_are_stated)
{
	struct replay_result *result = result_usual("a.trace");
	char *text = page_text(result, 1);

	CHECK_EQ(count_of(text, "What to know about this recording"), 0);
	free(text);
	result->unparsed = 1;
	result->lost = 1234;
	result->backwards = 3;
	result->odd = 4;
	result->guessed = 5;
	result->retired = 6;
	text = page_text(result, 1);
	CHECK(strstr(text, "<li>1 line or event could not be read"));
	CHECK(strstr(text, "<li>1,234 events were lost"));
	CHECK(strstr(text, "<li>3 events are older"));
	CHECK(strstr(text, "<li>4 events made no sense"));
	CHECK(strstr(text, "<li>5 changes between L1 and L2"));
	CHECK(strstr(text, "<li>6 vCPUs were forgotten"));
	free(text);
	free(result);
}

TEST(page_of_several_recordings)
{
	struct replay_result *results = calloc(3, sizeof(*results));
	struct replay_result *usual = result_usual("dir/one.trace");
	struct replay_result *empty = result_empty("-");
	char *text;

	results[0] = *usual;
	results[1] = *empty;
	results[2] = *usual;
	text = page_text(results, 3);
	check_page(text);
	CHECK_EQ(count_of(text, "<section"), 3);
	CHECK(strstr(text, "<a href=\"#recording3\">"));
	CHECK(strstr(text, "<bdi>one.trace</bdi>"));
	CHECK(strstr(text, "standard input"));
	CHECK(strstr(text, "tlbtag replay dir/one.trace - dir/one.trace</code>"));
	free(text);
	free(empty);
	free(usual);
	free(results);
}

TEST(command_says_what_was_asked_for)
{
	struct replay_result *result = result_usual("a.trace");
	char *text;

	result->policy_count = 2;
	result->machine.asids_from = SOURCE_GIVEN;
	result->machine.asids = 16;
	result->machine.flush_by_asid_from = SOURCE_GIVEN;
	text = page_text(result, 1);
	CHECK(strstr(text, " --policy kvm,rfc-v1 --asids 16 --flushbyasid no a.trace</code>"));
	free(text);
	free(result);
}

/* --- text from outside ----------------------------------------------------------- */

TEST(names_are_never_markup)
{
	static const char *const names[] = {
		"<script>alert(1)</script>",
		"\"><b>",
		"a&lt;b",
		"it's",
		"</title><p>",
		"",
		"/",
		"dir/",
		"\xff\xfe\x80",
		"tail\xe2\x82",
		"\x1b[31m\n\t\r",
		"\xe2\x80\xaexyz",
	};
	char error[512];
	char long_name[4000];

	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
		struct replay_result *result = result_usual(names[index]);

		check_results(result, 1);
		free(result);
	}
	memset(long_name, '<', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	CHECK(html_write(long_name, NULL, 0, error, sizeof(error)) < 0);
	struct replay_result *result = result_usual(long_name);

	check_results(result, 1);
	free(result);
}

static char *text_of(void (*put)(FILE *file, const char *text), const char *text)
{
	size_t size;
	char *made;
	FILE *file = open_memstream(&made, &size);

	put(file, text);
	fclose(file);
	return made;
}

#define CHECK_MADE(put, text, wanted)            \
	do {                                     \
		char *made = text_of(put, text); \
                                                 \
		CHECK_STR_EQ(made, wanted);      \
		free(made);                      \
	} while (0)

#define ODD "\xef\xbf\xbd"

TEST(text_is_escaped)
{
	CHECK_MADE(markup_text, "a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;");
	CHECK_MADE(markup_text, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "é€😀");
	CHECK_MADE(markup_text, "a\x01\x7f\xc2\x85z", "a" ODD ODD ODD "z");
	/* Cut, overlong, a surrogate, beyond the last character. */
	CHECK_MADE(markup_text, "\xe2\x82", ODD ODD);
	CHECK_MADE(markup_text, "\xc0\xaf", ODD ODD);
	CHECK_MADE(markup_text, "\xed\xa0\x80", ODD ODD ODD);
	CHECK_MADE(markup_text, "\xf4\x90\x80\x80", ODD ODD ODD ODD);
	CHECK_MADE(markup_shell, "dir/a-b_1.gz", "dir/a-b_1.gz");
	CHECK_MADE(markup_shell, "", "&#39;&#39;");
	CHECK_MADE(markup_shell, "a b$", "&#39;a b$&#39;");
	CHECK_MADE(markup_shell, "a'b", "&#39;a&#39;\\&#39;&#39;b&#39;");
}

/* --- numbers ------------------------------------------------------------------------ */

static char *number_of(void (*put)(FILE *file, uint64_t part, uint64_t whole), uint64_t part,
		       uint64_t whole)
{
	size_t size;
	char *made;
	FILE *file = open_memstream(&made, &size);

	put(file, part, whole);
	fclose(file);
	return made;
}

#define CHECK_NUMBER(put, part, whole, wanted)            \
	do {                                              \
		char *made = number_of(put, part, whole); \
                                                          \
		CHECK_STR_EQ(made, wanted);               \
		free(made);                               \
	} while (0)

static void put_first(FILE *file, uint64_t count, uint64_t nothing)
{
	(void)nothing;
	markup_count(file, count);
}

TEST(numbers_are_readable_and_honest)
{
	CHECK_NUMBER(put_first, 0, 0, "0");
	CHECK_NUMBER(put_first, 999, 0, "999");
	CHECK_NUMBER(put_first, 1000, 0, "1,000");
	CHECK_NUMBER(put_first, UINT64_MAX, 0, "18,446,744,073,709,551,615");
	CHECK_EQ(markup_count_width(999), 3);
	CHECK_EQ(markup_count_width(1000), 5);
	CHECK_EQ(markup_count_width(UINT64_MAX), 26);

	CHECK_NUMBER(markup_share, 0, 10, "0&nbsp;%");
	CHECK_NUMBER(markup_share, 10, 10, "100&nbsp;%");
	CHECK_NUMBER(markup_share, 1, 3, "33&nbsp;%");
	CHECK_NUMBER(markup_share, 4, 1000, "0.4&nbsp;%");
	CHECK_NUMBER(markup_share, 1, 1000000, "under 0.1&nbsp;%");
	CHECK_NUMBER(markup_share, 997, 1000, "99.7&nbsp;%");
	CHECK_NUMBER(markup_share, 999999, 1000000, "over 99.9&nbsp;%");
	CHECK_NUMBER(markup_share, 1, 0, "under 0.1&nbsp;%");

	CHECK_NUMBER(markup_share_exact, 201, 1000, "20.1&nbsp;%");
	CHECK_NUMBER(markup_share_exact, 1, 0, "–");
	CHECK_NUMBER(markup_times, 932, 100, "9.32×");
	CHECK_NUMBER(markup_times, 1, 0, "–");
	CHECK_NUMBER(markup_length, 1, 8, "12.500%");
	CHECK_NUMBER(markup_length, 1, 0, "0.000%");
}

/* --- the file ----------------------------------------------------------------------- */

TEST(page_is_deterministic)
{
	struct replay_result *result = result_usual("a.trace");
	char *one = page_text(result, 1);
	char *other = page_text(result, 1);

	CHECK_STR_EQ(one, other);
	free(other);
	free(one);
	free(result);
}

TEST(unwritable_path_is_an_error_and_leaves_nothing)
{
	struct replay_result *result = result_usual("a.trace");
	char error[1024] = "";
	char path[512];

	snprintf(path, sizeof(path), "%s", place("nowhere/page.html"));
	CHECK_EQ(html_write(path, result, 1, error, sizeof(error)), -1);
	CHECK_EQ(strncmp(error, path, strlen(path)), 0);
	CHECK(strstr(error, strerror(ENOENT)));
	CHECK_EQ(count_of(error, "\n"), 0);
	CHECK_EQ(directory_clear(), 0);

	CHECK_EQ(html_write(directory, result, 1, error, sizeof(error)), -1);
	CHECK(strstr(error, strerror(EISDIR)));
	CHECK_EQ(directory_clear(), 0);
	CHECK_EQ(html_write("", result, 1, error, sizeof(error)), -1);
	free(result);
}

TEST(full_disk_is_an_error)
{
	struct replay_result *result = result_usual("a.trace");
	char error[1024] = "";

	if (!CHECK_EQ(access("/dev/full", W_OK), 0))
		return;
	CHECK_EQ(html_write("/dev/full", result, 1, error, sizeof(error)), -1);
	CHECK_STR_EQ(error, "/dev/full: No space left on device");
	free(result);
}

TEST(page_replaces_a_file_as_a_whole)
{
	struct replay_result *result = result_usual("a.trace");
	struct stat status;
	char error[512];
	char target[512];
	char *text;

	snprintf(target, sizeof(target), "%s", place("target.html"));
	umask(022);
	CHECK_EQ(html_write(target, result, 1, error, sizeof(error)), 0);
	CHECK_EQ(stat(target, &status), 0);
	CHECK_EQ(status.st_mode & 0777, 0644);
	/* A link stays one. */
	CHECK_EQ(symlink("target.html", place("link.html")), 0);
	CHECK_EQ(html_write(place("link.html"), NULL, 0, error, sizeof(error)), 0);
	CHECK_EQ(lstat(place("link.html"), &status), 0);
	CHECK(S_ISLNK(status.st_mode));
	text = file_text(target);
	CHECK(strstr(text, "0 recordings"));
	free(text);
	CHECK_EQ(directory_clear(), 2);
	free(result);
}

TEST(longest_name_that_a_file_can_have)
{
	char name[256];
	char error[512];

	memset(name, 'n', 255);
	name[255] = '\0';
	CHECK_EQ(html_write(place(name), NULL, 0, error, sizeof(error)), 0);
	CHECK_EQ(directory_clear(), 1);
}
