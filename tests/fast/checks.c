/* Checks of single parts of the core that nothing outside of it can bring about. */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>

void check(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

int main(void)
{
    check_collisions();
    check_device();
    check_libraries();
    check_refusals();
    check_secrets();
    printf("all checks are right\n");
    return 0;
}
