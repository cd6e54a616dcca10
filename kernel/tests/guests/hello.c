// Prints its arguments and ends with a status of its own.
#include <stdio.h>

int main(int argc, char **argv) {
    printf("hello from %s with %d arguments\n", argv[0], argc - 1);
    for (int i = 1; i < argc; i++)
        printf("%d: %s\n", i, argv[i]);
    return 40 + argc;
}
