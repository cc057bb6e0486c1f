# The init of --init for x86_64: what src/cowl/runtime/init_program.py holds, as GNU as takes it.
.intel_syntax noprefix
.globl _start
_start:
  mov eax,157
  mov edi,15
  lea rsi,[rip+name]
  syscall
  mov rbx,[rsp+16]
  xor ebp,ebp
digit:
  movzx eax,byte ptr [rbx]
  test eax,eax
  jz ready
  imul ebp,ebp,10
  lea ebp,[rbp+rax-48]
  inc rbx
  jmp digit
ready:
  sub rsp,16
  or qword ptr [rsp],-1
wait:
  mov eax,128
  mov rdi,rsp
  xor esi,esi
  xor edx,edx
  mov r10d,8
  syscall
  cmp eax,17
  je reap
  cmp eax,-4
  je wait
  mov edi,125
  test eax,eax
  js quit
  mov esi,eax
  mov edi,ebp
  mov eax,62
  syscall
  jmp wait
reap:
  mov eax,61
  or rdi,-1
  lea rsi,[rsp+8]
  mov edx,1
  xor r10d,r10d
  syscall
  test eax,eax
  jle wait
  cmp eax,ebp
  jne reap
  mov edi,[rsp+8]
  mov eax,edi
  and eax,127
  jz exited
  lea edi,[rax+128]
  jmp quit
exited:
  shr edi,8
  and edi,255
quit:
  mov eax,231
  syscall
name: .asciz "cowl-init"
