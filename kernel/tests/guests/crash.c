// Touches memory that is not there.
int main(int argc, char **argv) {
    *(volatile int *)(argc > 1 ? (long)main : 16) = 1;
    return 0;
}
