/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * markup: text and numbers as HTML.
 */
#include "markup.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define DASH "\xe2\x80\x93"

/* Bytes of the UTF-8 character at @text, 0 if there is none. */
static size_t utf8_size(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {
		{ 0x80, 0x00, 0x00 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	uint32_t code;

	for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
		if ((text[0] & forms[form].mask) != forms[form].lead)
			continue;
		code = text[0] & (unsigned char)~forms[form].mask;
		for (size_t index = 1; index <= form; index++) {
			if ((text[index] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (text[index] & 0x3f);
		}
		if (code < forms[form].least || code > 0x10ffff || code >> 11 == 0x1b)
			return 0;
		return form + 1;
	}
	return 0;
}

/* C0, DEL and C1: a page may not hold them, and nobody can see them. */
static bool is_control(const unsigned char *text)
{
	return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

static const char *entity(unsigned char byte)
{
	switch (byte) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return NULL;
}

/* Returns the bytes it took. */
static size_t put_character(FILE *file, const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t size = utf8_size(bytes);

	if (!size || is_control(bytes))
		fputs(REPLACEMENT, file);
	else if (entity(*bytes))
		fputs(entity(*bytes), file);
	else
		fwrite(bytes, 1, size, file);
	return size ? size : 1;
}

void markup_text(FILE *file, const char *text)
{
	while (*text)
		text += put_character(file, text);
}

void markup_shell(FILE *file, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=:,./@%";

	if (*text && !text[strspn(text, plain)]) {
		fputs(text, file);
		return;
	}
	fputs("&#39;", file);
	while (*text) {
		/* Within single quotes only these themselves are special. */
		if (*text == '\'')
			fputs("&#39;\\&#39;", file);
		text += put_character(file, text);
	}
	fputs("&#39;", file);
}

unsigned int markup_count_width(uint64_t count)
{
	unsigned int digits = 1;

	for (; count >= 10; count /= 10)
		digits++;
	return digits + (digits - 1) / 3;
}

void markup_count(FILE *file, uint64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int index = 0; index < length; index++) {
		if (index && (length - index) % 3 == 0)
			fputc(',', file);
		fputc(digits[index], file);
	}
}

void markup_counted(FILE *file, uint64_t count, const char *one, const char *many)
{
	markup_count(file, count);
	fprintf(file, " %s", count == 1 ? one : many);
}

uint64_t markup_scaled(uint64_t part, uint64_t whole, uint64_t scale)
{
	double scaled;

	if (!whole)
		return 0;
	scaled = (double)part / (double)whole * (double)scale + 0.5;
	return scaled < (double)UINT64_MAX ? (uint64_t)scaled : UINT64_MAX;
}

static void put_permille(FILE *file, uint64_t permille)
{
	fprintf(file, "%" PRIu64 ".%" PRIu64 "&nbsp;%%", permille / 10, permille % 10);
}

void markup_share(FILE *file, uint64_t part, uint64_t whole)
{
	uint64_t permille = markup_scaled(part, whole, 1000);
	uint64_t percent = markup_scaled(part, whole, 100);

	if (part && permille == 0)
		fputs("under 0.1&nbsp;%", file);
	else if (part < whole && permille == 1000)
		fputs("over 99.9&nbsp;%", file);
	else if ((part && permille < 10) || (part < whole && percent == 100))
		put_permille(file, permille);
	else
		fprintf(file, "%" PRIu64 "&nbsp;%%", percent);
}

void markup_share_exact(FILE *file, uint64_t part, uint64_t whole)
{
	if (whole)
		put_permille(file, markup_scaled(part, whole, 1000));
	else
		fputs(DASH, file);
}

void markup_times(FILE *file, uint64_t count, uint64_t unit)
{
	uint64_t hundredths = markup_scaled(count, unit, 100);

	if (unit)
		fprintf(file, "%" PRIu64 ".%02" PRIu64 "×", hundredths / 100, hundredths % 100);
	else
		fputs(DASH, file);
}

void markup_length(FILE *file, uint64_t part, uint64_t whole)
{
	uint64_t thousandths = markup_scaled(part, whole, 100000);

	fprintf(file, "%" PRIu64 ".%03" PRIu64 "%%", thousandths / 1000, thousandths % 1000);
}
