/* What the checks of single parts of the core share. */
#ifndef TINCD_COMPAT_CHECKS_H
#define TINCD_COMPAT_CHECKS_H

#include <stdbool.h>

/* End it all unless that is right; else ``what`` is said. */
void check(bool right, const char *what);

void check_collisions(void);
void check_device(void);
void check_libraries(void);
void check_refusals(void);
void check_secrets(void);

#endif
