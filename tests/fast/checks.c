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

static void run(void (*part)(void), const char *name)
{
    if (part == NULL)
        return;
    part();
    printf("%s: right\n", name);
}

int main(void)
{
    run(check_collisions, "collisions");
    run(check_device, "device");
    run(check_libraries, "libraries");
    run(check_refusals, "refusals");
    run(check_secrets, "secrets");
    return 0;
}
