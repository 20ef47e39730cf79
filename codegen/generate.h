// SPDX-License-Identifier: Apache-2.0
/*
 * The compiler's back half: a checked script becomes an image.
 */
#ifndef XBT_GENERATE_H
#define XBT_GENERATE_H

#include "codegen/image.h"
#include "sema/script.h"

/* Dumps of stages on the way: called after each with its name and what prints it. */
struct dumps {
	bool (*wanted)(const struct dumps *, const char *stage);
	const char *stages; /* the user's list */
	FILE *out;
};

/* NULL if a program could not be made; what and why is in s->diag. The image takes over s->arena. */
struct image *generate(struct script *, const struct dumps *);
/* Frees the image and its arena. */
void image_free(struct image *);
/* The stages of the back half, in order, ended by NULL. */
extern const char *const back_stages[];

#endif
