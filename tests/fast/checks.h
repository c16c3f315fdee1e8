/* What the checks of single parts of the core share. */
#ifndef TINCD_COMPAT_CHECKS_H
#define TINCD_COMPAT_CHECKS_H

#include <stdbool.h>

/* End it all unless that is right; else ``what`` is said. */
void check(bool right, const char *what);

/* Parts that are linked in run; one is enough. */
#define PART __attribute__((weak))

PART void check_collisions(void);
PART void check_device(void);
PART void check_libraries(void);
PART void check_refusals(void);
PART void check_secrets(void);

#endif
