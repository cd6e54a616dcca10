//! Compilers and make.

use crate::harness::same;

#[test]
fn make_builds_and_runs_a_program_of_many_files() {
    same(
        r#"for i in $(seq 12); do printf 'int f%d(int x) { return x * %d + 1; }\n' $i $i > f$i.c; done
        { for i in $(seq 12); do echo "int f$i(int);"; done; echo '#include <stdio.h>'; echo 'int main(void) { int s = 0;'
          for i in $(seq 12); do echo "s += f$i(s);"; done; echo 'printf("%d\n", s); return s & 127; }'; } > main.c
        printf 'OBJS = main.o %s\nprog: $(OBJS)\n\tgcc -o $@ $(OBJS)\n%%.o: %%.c\n\tgcc -O1 -c -o $@ $<\n' "$(seq -f 'f%g.o' -s ' ' 12)" > Makefile
        make -j2 > log 2>&1; echo $?; sort log | tail -3; ./prog; echo $?; touch f3.c; make | wc -l; ar rc lib.a f*.o; nm lib.a | grep -c ' T '"#,
    );
}

#[test]
fn compiler_errors_and_pipes() {
    same(
        "echo 'int main(void) { return x; }' | gcc -x c - -o bad 2> err; echo $?; grep -c error err; echo 'int main(){}' | gcc -pipe -x c - -o good && ./good; echo $?",
    );
}

#[test]
fn shared_libraries_and_threads() {
    same(
        r#"cat > lib.c <<'E'
#include <pthread.h>
static __thread int mine; static long total; static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *p) { for (int i = 0; i < 20000; i++) { mine++; if (i % 100 == 0) { pthread_mutex_lock(&m); total += 1; pthread_mutex_unlock(&m); } } return p; }
long run(void) { pthread_t t[8]; for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, work, 0); for (int i = 0; i < 8; i++) pthread_join(t[i], 0); return total; }
E
cat > main.c <<'E'
#include <dlfcn.h>
#include <stdio.h>
int main(void) { void *h = dlopen("./lib.so", RTLD_NOW); long (*run)(void) = (long (*)(void))dlsym(h, "run"); printf("%ld\n", run()); return 0; }
E
gcc -O1 -shared -fPIC -pthread -o lib.so lib.c && gcc -o main main.c -ldl && ./main && gcc -static -pthread -o st -x c - <<< 'int main(){return 3;}' ; ./st; echo $?"#,
    );
}
