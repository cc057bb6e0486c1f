// The init of --init for aarch64: what src/cowl/runtime/init_program.py holds, as GNU as takes it.
.globl _start
_start:
  mov x8,#167
  mov x0,#15
  adr x1,name
  svc #0
  ldr x19,[sp,#16]
  mov w20,#0
  mov w3,#10
digit:
  ldrb w1,[x19],#1
  cbz w1,ready
  sub w1,w1,#48
  madd w20,w20,w3,w1
  b digit
ready:
  sub sp,sp,#16
  mov x1,#-1
  str x1,[sp]
wait:
  mov x8,#137
  mov x0,sp
  mov x1,#0
  mov x2,#0
  mov x3,#8
  svc #0
  cmp w0,#17
  b.eq reap
  cmn w0,#4
  b.eq wait
  tbnz w0,#31,fail
  mov w1,w0
  mov w0,w20
  mov x8,#129
  svc #0
  b wait
reap:
  mov x8,#260
  mov x0,#-1
  add x1,sp,#8
  mov x2,#1
  mov x3,#0
  svc #0
  cmp w0,#0
  b.le wait
  cmp w0,w20
  b.ne reap
  ldr w1,[sp,#8]
  ands w0,w1,#127
  b.eq exited
  add w0,w0,#128
  b quit
exited:
  ubfx w0,w1,#8,#8
  b quit
fail:
  mov w0,#125
quit:
  mov x8,#94
  svc #0
name: .asciz "cowl-init"
