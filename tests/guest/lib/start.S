/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PVH entry of every test guest: the note that a loader looks for, a stack, a
 * flat GDT, then guest_start(hvm_start_info). Stays in 32-bit protected mode
 * without paging or interrupts: KVM's instruction emulator, which may be all
 * there is, does that best.
 */
	.section .note.pvh, "a", @note
	.align	4
	.long	4			/* name size */
	.long	4			/* descriptor size */
	.long	18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start

	.section .text.start, "ax", @progbits
	.globl	_start
_start:
	cli
	cld
	movl	$stack_top, %esp
	lgdt	gdt_pointer
	ljmp	$0x8, $1f
1:	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%ebp, %ebp
	pushl	$0
	pushl	$0
	pushl	$0
	pushl	%ebx
	call	guest_start
1:	hlt
	jmp	1b

/*
 * Where an application processor begins, in real mode: copied to a page below
 * 1 MiB by smp_start(). Loads the flat GDT and goes on in ap_entry.
 */
	.code16
	.globl	ap_code, ap_code_end
ap_code:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	%cs:(ap_gdt_pointer - ap_code)
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$0x8, $ap_flat
	.align	4
ap_gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_code_end:

	.code32
ap_flat:
	movl	$0x10, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$1, %eax		/* a number, and with it a stack */
	lock xaddl %eax, ap_counter
	shll	$9, %eax
	leal	ap_stacks + 512(%eax), %esp
	shrl	$9, %eax
	incl	%eax
	pushl	%eax
	call	ap_main
1:	cli
	hlt
	jmp	1b

	.section .rodata
	.align	8
	.globl	gdt, gdt_end
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x08: code, flat, 32 bits */
	.quad	0x00cf93000000ffff	/* 0x10: data, flat */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt

	.bss
	.align	16
	.skip	16384
stack_top:
	.globl	ap_counter
ap_counter:
	.long	0
	.align	16
ap_stacks:
	.skip	512 * 256
	.section .note.GNU-stack, "", @progbits
