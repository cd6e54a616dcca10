    .pushsection .rodata.picket_stub,"a",@progbits
    .balign 16
    .hidden picket_stub_begin
    .globl picket_stub_begin
picket_stub_begin:

    // The mapper. r12: page of operations, r13d: last batch seen. It has no stack and keeps everything in registers.
    .hidden picket_stub_mapper
    .globl picket_stub_mapper
picket_stub_mapper:
    lea r12, [rip + picket_stub_begin]
    lea r15, [r12 + {ack}]
    add r12, {ops}
    xor r13d, r13d
20: // idle
    mov ecx, [r12 + {ops_spin}]
21:
    mov eax, [r12 + {ops_seq}]
    cmp eax, r13d
    jne 23f
    pause
    sub ecx, 1
    jg 21b
22: // sleep
    mov rdi, [r12 + {ops_wake}]
    mov edx, [rdi] // before the look at the number: it changes after that
    mov eax, [r12 + {ops_seq}]
    cmp eax, r13d
    jne 23f
    xor esi, esi // FUTEX_WAIT
    xor r10d, r10d
    mov eax, 202
    syscall
    jmp 20b
23: // a batch
    mov r13d, eax
    lea rbx, [r12 + {ops_first}]
    mov r14d, [r12 + {ops_count}]
24: // the next operation
    test r14d, r14d
    jz 27f
    mov rax, [rbx]
    mov rdi, [rbx + 8]
    mov rsi, [rbx + 16]
    mov rdx, [rbx + 24]
    mov r10, [rbx + 32]
    mov r8, [rbx + 40]
    mov r9, [rbx + 48]
    // Read before: when a new thread gets to run, the page may already hold the next batch.
    mov ebp, [rbx + 56]
    syscall
    cmp ebp, {then_expect}
    je 29f
    cmp rax, -4095
    jae 28f
    test ebp, ebp
    jz 25f
    test rax, rax
    jnz 26f
    cmp ebp, {then_thread}
    je picket_stub_thread
25: // done with this one
    add rbx, {op_len}
    sub r14d, 1
    jmp 24b
26: // the parent after making a task
    cmp ebp, {then_fork}
    jne 25b
27: // all is done; a new process now sees a page of its own
    mov r13d, [r12 + {ops_seq}]
    lea rsi, [r12 + {ops_ok}]
    jmp 30f
28: // failed: the errno as a word of the read-only page
    neg eax
    and eax, 0xff
    lea rsi, [r12 + rax * 4 + {ops_errnos}]
    jmp 30f
29:
    cmp eax, [rbx + 60]
    je 25b
    mov edi, 1
    mov eax, 231
    syscall
30: // answer
    mov rbx, [r12 + {ops_then_wake}] // after the answer the page may hold the next batch
    mov edi, {fd_ack}
    mov edx, 4
    mov r10, [r12 + {ops_ack_offset}]
    mov eax, 18 // pwrite64
    syscall
    mov rdi, r15
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
    test rbx, rbx
    jz 20b
    // The thread whose processor this was gets it back.
    mov rdi, rbx
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
    jmp 22b

    // A new thread. rsp: end of its area.
picket_stub_thread:
    lea rbx, [rsp - {area_len}]
    xor edi, edi
    mov esi, -1
    xor edx, edx
    mov eax, 436 // close_range
    syscall
    test eax, eax
    jnz 40f
    lea rdi, [rbx + {area_stack_t}]
    xor esi, esi
    mov eax, 131 // sigaltstack
    syscall
    test eax, eax
    jnz 40f
    mov edi, 2 // SIG_SETMASK
    lea rsi, [rip + picket_stub_birth_mask]
    xor edx, edx
    mov r10d, 8
    mov eax, 14 // rt_sigprocmask
    syscall
    test eax, eax
    jnz 40f
    mov edi, 1 // SECCOMP_SET_MODE_FILTER
    xor esi, esi
    lea rdx, [rip + picket_stub_guest_fprog]
    mov eax, 317 // seccomp
    syscall
    test eax, eax
    jnz 40f
    xor esp, esp // so that the signal's frame is at the top of the area
    ud2
40:
    mov edi, 1
    mov eax, 60
    syscall

    // The handler of all signals. rdi: number, rsi: information, rdx: context, rsp: in the thread's area.
    .hidden picket_stub_handler
    .globl picket_stub_handler
picket_stub_handler:
    mov r12, rdx
    mov rbx, rsp
    and rbx, -{area_len}
    cld
    cmp edi, {kick}
    jne 50f
    // A thread that waits for an answer in `picket_stub_wait` sees the kick there.
    mov rcx, [rdx + {uc_rip}]
    lea rax, [rip + picket_stub_return]
    cmp rcx, rax
    jae 50f
    lea rax, [rip + picket_stub_wait]
    cmp rcx, rax
    jb 50f
    mov dword ptr [rbx + {area_kicked}], 1
    lea rax, [rip + picket_stub_rewait]
    mov [rdx + {uc_rip}], rax
    mov rsp, r12
    jmp picket_stub_restorer
50:
    mov [rbx + {area_signal}], edi
    sub rsi, rbx
    mov [rbx + {area_siginfo}], rsi
    sub rdx, rbx
    mov [rbx + {area_ucontext}], rdx
    rdfsbase rax
    mov [rbx + {area_fs}], rax
    rdgsbase rax
    mov [rbx + {area_gs}], rax
    mov ebp, [rbx + {area_spin}]
    mov ecx, {cpu_segment}
    lsl ecx, ecx
    cmp ecx, [rbx + {area_cpu}]
    je 59f
    mov [rbx + {area_cpu}], ecx
59:
    mov eax, {trapped}
    xchg [rbx + {area_state}], eax // a full fence, so that the sentry's wishes are read after
    cmp dword ptr [rbx + {area_exit}], 0
    jne 57f
    lea r14, [rip + picket_stub_begin]
    add r14, {doorbell}
    cmp dword ptr [r14 + {bell_wanted}], 0
    je 51f
    lock inc dword ptr [r14 + {bell_seq}]
    lea rdi, [r14 + {bell_seq}]
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
51:
    mov ecx, [rbx + {area_cpu}]
    cmp ecx, [rbx + {worker_cpu}]
    je 54f // the sentry cannot answer while this thread runs
58:
    mov eax, [rbx + {area_state}]
    cmp eax, {trapped}
    jne 53f
    pause
    sub ebp, 1
    jg 58b
54:
    mov eax, {trapped}
    mov ecx, {sleeping}
    lock cmpxchg [rbx + {area_state}], ecx
    jne 53f // answered, or told to sleep
52: // sleep
    mov rdi, [rbx + {area_wake}]
    mov edx, [rdi] // before the look at the state: it changes after that
    mov eax, [rbx + {area_state}]
    cmp eax, {sleeping}
    jne 53f
    xor esi, esi // FUTEX_WAIT
    xor r10d, r10d
    mov eax, 202
    syscall
    test eax, eax
    jnz 52b
    // Woken, for the answer will come soon if it is not there.
    mov eax, {sleeping}
    mov ecx, {trapped}
    lock cmpxchg [rbx + {area_state}], ecx
    jne 53f
    mov ebp, [rbx + {area_spin}]
    jmp 58b
56: // wake the one that needs this processor, and sleep
    mov rdi, [rbx + {wake_other}]
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
    mov eax, {hand_over}
    mov ecx, {sleeping}
    lock cmpxchg [rbx + {area_state}], ecx
    je 52b
53:
    cmp eax, {sleeping}
    je 52b
    cmp eax, {hand_over}
    je 56b
55:
    cmp eax, {exit}
    je 57f
    mov rax, [rbx + {area_fs}]
    wrfsbase rax
    mov rax, [rbx + {area_gs}]
    wrgsbase rax
    mov rsp, r12
    // The restorer, which the handler never returns to.
    .hidden picket_stub_restorer
    .globl picket_stub_restorer
picket_stub_restorer:
    mov eax, 15 // rt_sigreturn
    syscall
57:
    xor edi, edi
    mov eax, 60 // exit
    syscall
    ud2

    // As `picket_stub_call`, for a call that may be one that is answered here: its number is one of those, or not known when the code was
    // rewritten. The flags are the guest's all the way.
    .balign 64
    .hidden picket_stub_ask
    .globl picket_stub_ask
picket_stub_ask:
    mov gs:[{c_rip}], rcx
    mov gs:[{c_rsp}], rsp
    mov gs:[{c_tail}], r11
    mov gs:[{asked}], rax
    .hidden picket_stub_asked
    .globl picket_stub_asked
picket_stub_asked:
    mov ecx, gs:[{asked} + 1] // all but the low byte
    jecxz 92f
91: // the sentry's
    mov r11, gs:[{c_tail}]
    mov rcx, gs:[{c_rip}]
    jmp picket_stub_call
92:
    movzx ecx, al
    lea r11, [rip + picket_stub_places]
    movzx ecx, byte ptr [r11 + rcx]
    jecxz 91b
    mov ecx, gs:[rcx * 4 + {identity} - 4]
    jecxz 91b
    mov rsp, gs:[{flags_stack}]
    pushfq
    pop r11
    mov rsp, gs:[{c_rsp}]
    not ecx
    mov eax, ecx
    .hidden picket_stub_answered
    .globl picket_stub_answered
picket_stub_answered:
    mov rcx, gs:[{c_rip}]
    jmp qword ptr gs:[{c_tail}]

    // A system call of rewritten code. rcx: where the call returns to, r11: the trampoline's code for after it, gs: the thread's area;
    // all else is the guest's. Up to `picket_stub_wait` the call has not been made.
    .balign 64
    .hidden picket_stub_call
    .globl picket_stub_call
picket_stub_call:
    mov gs:[{c_rax}], rax
    mov gs:[{c_rdi}], rdi
    mov gs:[{c_rsi}], rsi
    mov gs:[{c_rdx}], rdx
    mov gs:[{c_r10}], r10
    mov gs:[{c_r8}], r8
    mov gs:[{c_r9}], r9
    mov gs:[{c_rip}], rcx
    mov gs:[{c_tail}], r11
    mov gs:[{c_rsp}], rsp
    mov gs:[{c_rbx}], rbx
    mov gs:[{c_rbp}], rbp
    mov gs:[{c_r12}], r12
    mov gs:[{c_r13}], r13
    mov gs:[{c_r14}], r14
    mov gs:[{c_r15}], r15
    rdfsbase r11
    mov gs:[{c_fs}], r11
    mov dword ptr gs:[{reason}], {reason_call}
    mov rsp, gs:[{flags_stack}]
    .hidden picket_stub_flags
    .globl picket_stub_flags
picket_stub_flags:
    pushfq
    mov rsp, gs:[{c_rsp}]
    mov ecx, {cpu_segment}
    lsl ecx, ecx
    cmp ecx, gs:[{area_cpu}]
    je 60f
    mov gs:[{area_cpu}], ecx
60:
    mov ecx, {fast}
    xchg gs:[{area_state}], ecx

    // Waits for the answer. A kick in here goes on at `picket_stub_rewait`, wherever it struck.
    .hidden picket_stub_wait
    .globl picket_stub_wait
picket_stub_wait:
    lea r11, [rip + picket_stub_begin]
    cmp dword ptr [r11 + {doorbell_wanted}], 0
    jne 66f
61:
    mov ecx, gs:[{area_cpu}]
    cmp ecx, gs:[{worker_cpu}]
    je 64f // the sentry cannot answer while this thread runs
    mov ecx, gs:[{area_spin}]
62:
    mov r11d, gs:[{area_state}]
    cmp r11d, {fast}
    jne 75f
    pause
    sub ecx, 1
    jg 62b
64:
    mov eax, {fast}
    mov ecx, {fast_sleeping}
    lock cmpxchg gs:[{area_state}], ecx
    mov r11d, eax
    jne 75f
63: // sleep
    mov rdi, gs:[{area_wake}]
    mov edx, [rdi] // before the look at the state: it changes after that
    mov r11d, gs:[{area_state}]
    cmp r11d, {fast_sleeping}
    jne 65f
    xor esi, esi // FUTEX_WAIT
    xor r10d, r10d
    mov eax, 202
    syscall
    test eax, eax
    jnz 63b
    // Woken, for the answer will come soon if it is not there.
    mov eax, {fast_sleeping}
    mov ecx, {fast}
    lock cmpxchg gs:[{area_state}], ecx
    mov r11d, {fast}
    je 65f
    mov r11d, eax
65:
    mov rdi, gs:[{c_rdi}]
    mov rsi, gs:[{c_rsi}]
    mov rdx, gs:[{c_rdx}]
    mov r10, gs:[{c_r10}]
    jmp 75f
66: // ring
    lock inc dword ptr [r11 + {doorbell_seq}]
    lea rdi, [r11 + {doorbell_seq}]
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
    mov rdi, gs:[{c_rdi}]
    mov rsi, gs:[{c_rsi}]
    mov rdx, gs:[{c_rdx}]
    jmp 61b
picket_stub_rewait:
    mov rdi, gs:[{c_rdi}]
    mov rsi, gs:[{c_rsi}]
    mov rdx, gs:[{c_rdx}]
    mov r10, gs:[{c_r10}]
    jmp picket_stub_wait
68: // tell of a kick
    mov dword ptr gs:[{area_kicked}], 0
    mov dword ptr gs:[{reason}], {reason_kick}
    mov ecx, {fast}
    xchg gs:[{area_state}], ecx
    jmp picket_stub_wait
70: // another wish than to go on
    cmp r11d, {fast_sleeping}
    je 63b
    cmp r11d, {fast}
    je 61b
    cmp r11d, {exit}
    je 57b
    cmp r11d, {save}
    je 72f
    cmp r11d, {save_rest}
    je 72f
    cmp r11d, {fast_hand_over}
    je 77f
    cmp dword ptr gs:[{area_kicked}], 0
    jne 68b
    jmp picket_stub_load
72: // save the floating-point state
    rdgsbase r11
    mov eax, gs:[{xmask}]
    mov edx, gs:[{xmask} + 4]
    xsave64 [r11 + {area_fpu}]
    mov eax, {save}
    mov ecx, {fast}
    lock cmpxchg gs:[{area_state}], ecx
    je 73f
    cmp eax, {save_rest}
    jne 73f // answered meanwhile
    mov ecx, {fast_sleeping}
    lock cmpxchg gs:[{area_state}], ecx
73:
    cmp dword ptr gs:[{save_watched}], 0
    je 74f
    rdgsbase rdi
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
    mov rdi, gs:[{c_rdi}]
    mov rsi, gs:[{c_rsi}]
74:
    mov rdx, gs:[{c_rdx}]
    jmp 61b
77: // wake the one that needs this processor, and sleep
    mov rdi, gs:[{wake_other}]
    mov esi, 1 // FUTEX_WAKE
    mov edx, 1
    mov eax, 202
    syscall
    mov eax, {fast_hand_over}
    mov ecx, {fast_sleeping}
    lock cmpxchg gs:[{area_state}], ecx
    je 63b
    mov r11d, eax
    jmp 65b
75:
    test r11d, r11d
    jnz 70b
    cmp dword ptr gs:[{area_kicked}], 0
    jne 68b
    // Answered: from here on the call has been made.
    .hidden picket_stub_return
    .globl picket_stub_return
picket_stub_return:
    mov eax, gs:[{c_flags}]
    mov ecx, eax
    shr ecx, 11
    and ecx, 1
    mov r11d, eax
    mov ah, al
    add cl, 0x7f // the overflow flag
    sahf
    mov rax, gs:[{c_rax}]
    mov rcx, gs:[{c_rip}]
    jmp qword ptr gs:[{c_tail}]

    // All registers are the sentry's to choose.
    .hidden picket_stub_load
    .globl picket_stub_load
picket_stub_load:
    cmp dword ptr gs:[{load_fpu}], 0
    je 80f
    rdgsbase r11
    mov eax, gs:[{xmask}]
    mov edx, gs:[{xmask} + 4]
    xrstor64 [r11 + {area_fpu}]
    mov dword ptr gs:[{load_fpu}], 0
80:
    mov rax, gs:[{c_fs}]
    wrfsbase rax
    mov rax, gs:[{c_rax}]
    mov rdi, gs:[{c_rdi}]
    mov rsi, gs:[{c_rsi}]
    mov rdx, gs:[{c_rdx}]
    mov r10, gs:[{c_r10}]
    mov r8, gs:[{c_r8}]
    mov r9, gs:[{c_r9}]
    mov rbx, gs:[{c_rbx}]
    mov rbp, gs:[{c_rbp}]
    mov r12, gs:[{c_r12}]
    mov r13, gs:[{c_r13}]
    mov r14, gs:[{c_r14}]
    mov r15, gs:[{c_r15}]
    mov rcx, gs:[{c_rcx}]
    mov rsp, gs:[{load_stack}]
    mov r11, gs:[{c_gs}]
    wrgsbase r11
    pop r11
    iretq
    .hidden picket_stub_loaded
    .globl picket_stub_loaded
picket_stub_loaded:
    ud2

    // What a new thread blocks: the kick, so that nothing of the guest's making runs before the filter. The first `rt_sigreturn` ends that.
    .balign 16
picket_stub_birth_mask:
    .quad {birth_mask}

    // Filled in by the sentry: which word of the identity answers a call, counted from one, by the call's number.
    .hidden picket_stub_places
    .globl picket_stub_places
picket_stub_places:
    .skip 256

    // Filled in by the sentry: the filters' descriptors and instructions.
    .balign 16
    .hidden picket_stub_guest_fprog
    .globl picket_stub_guest_fprog
picket_stub_guest_fprog:
    .skip 16
    .hidden picket_stub_end
    .globl picket_stub_end
picket_stub_end:
    .popsection
