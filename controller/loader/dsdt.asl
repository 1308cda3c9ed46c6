// SPDX-License-Identifier: Apache-2.0
//
// The DSDT of an x86-64 guest, compiled by iasl when the loader is built. What
// differs from VM to VM is in the names at the top, which acpi.c overwrites
// (their offsets come from iasl); the addresses are those of
// arch/x86_64/layout.h (build.mk runs this through the C preprocessor).
#include "arch/x86_64/layout.h"

#include "controller/loader/slots.asl"

DefinitionBlock ("", "DSDT", 6, "BLKHD ", "BULKHEAD", 1)
{
	// Width counts: each is patched in place, at its own size.
	Name (\P32L, 0x11223366)		// last byte of the first segment's window
	Name (\P64B, 0x1122334455667788)	// 64-bit PCI window: first byte
	Name (\P64L, 0x1122334455667799)	// ... and last byte; 0: no window
	Name (\COMS, 0x5A)			// _STA of the serial port
	Name (\NCPU, 0x11223344)		// vCPUs that can come and go; or 0

	Name (\NMEM, 0x11223355)		// DIMMs that can come and go; or 0
	Name (\NSEG, 0x11223377)		// PCI segments

	// Of the SSDTs that acpi.c makes where there are such.
	External (\_SB.CPUS.CTFY, MethodObj)
	External (\_SB.SLTS.STFY, MethodObj)

	Name (\_S5, Package () { LAYOUT_ACPI_S5, 0, 0, 0 })

	Scope (\_SB)
	{
		// ECAM must be claimed by a motherboard resource
		// (PCI firmware specification 3.0 4.1.2).
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, Zero)
			Name (_CRS, ResourceTemplate ()
			{
				DWordMemory (ResourceConsumer, PosDecode, MinFixed,
				    MaxFixed, NonCacheable, ReadWrite, 0,
				    LAYOUT_ECAM,
				    LAYOUT_ECAM_LAST,
				    0, LAYOUT_ECAM_SIZE)
				IO (Decode16, LAYOUT_PORT_ACPI_SLEEP,
				    LAYOUT_PORT_ACPI_SLEEP, 1, 2)
				IO (Decode16, LAYOUT_PORT_GED, LAYOUT_PORT_GED, 1, 1)
				IO (Decode16, LAYOUT_PORT_PM_TIMER,
				    LAYOUT_PORT_PM_TIMER, 1, 4)
				IO (Decode16, LAYOUT_PORT_CPUS, LAYOUT_PORT_CPUS, 1, 5)
				IO (Decode16, LAYOUT_PORT_DIMMS,
				    LAYOUT_PORT_DIMMS, 1, 24)
				IO (Decode16, LAYOUT_PORT_SLOTS, LAYOUT_PORT_SLOTS,
				    1, 16)
			})
		}

		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, Zero)
			Name (_SEG, Zero)
			Name (_BBN, Zero)
			Name (_PXM, Zero)
			Name (_CCA, One)
			Name (_CBA, LAYOUT_ECAM)

			Name (CR32, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed,
				    MaxFixed, PosDecode, 0, 0, 0, 0, 1)
				// Configuration mechanism 1.
				IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
				DWordMemory (ResourceProducer, PosDecode, MinFixed,
				    MaxFixed, NonCacheable, ReadWrite, 0,
				    LAYOUT_MMIO32,
				    LAYOUT_MMIO32_LAST,
				    0, LAYOUT_MMIO32_SIZE, , , LOW)
			})
			Name (CR64, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode, MinFixed,
				    MaxFixed, NonCacheable, ReadWrite, 0, 0, 0, 0, 0,
				    , , WIN)
			})
			Method (_CRS, 0, Serialized)
			{
				CreateDWordField (CR32, ^LOW._MAX, LMAX)
				CreateDWordField (CR32, ^LOW._LEN, LLEN)
				LMAX = \P32L
				LLEN = \P32L - LAYOUT_MMIO32 + 1
				If (\P64L == 0)
				{
					Return (CR32)
				}
				CreateQWordField (CR64, ^WIN._MIN, PMIN)
				CreateQWordField (CR64, ^WIN._MAX, PMAX)
				CreateQWordField (CR64, ^WIN._LEN, PLEN)
				PMIN = \P64B
				PMAX = \P64L
				PLEN = \P64L - \P64B + 1
				Return (ConcatenateResTemplate (CR32, CR64))
			}

			SLOTS(Zero)

			// Everything PCIe belongs to the guest, but for the
			// controller of the days before PCIe hotplug (bit 1).
			Method (_OSC, 4, Serialized)
			{
				CreateDWordField (Arg3, 0, STAT)
				If (Arg0 != ToUUID (
				    "33db4d5b-1ff7-401c-9657-7441c03dd766"))
				{
					STAT |= 0x04	// unknown UUID
					Return (Arg3)
				}
				CreateDWordField (Arg3, 8, CTRL)
				If (Arg1 != 1)
				{
					STAT |= 0x08	// unknown revision
				}
				If (CTRL & ~0x1D)
				{
					STAT |= 0x10	// not all was granted
					CTRL &= 0x1D
				}
				Return (Arg3)
			}
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, Zero)
			Name (_DDN, "COM1")
			Method (_STA, 0, NotSerialized)
			{
				Return (\COMS)
			}
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, LAYOUT_PORT_COM1, LAYOUT_PORT_COM1,
				    1, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh,
				    Exclusive) { LAYOUT_GSI_COM1 }
			})
		}

		// No interrupt: a guest gets its alarms from elsewhere.
		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, LAYOUT_PORT_CMOS, LAYOUT_PORT_CMOS,
				    1, 2)
			})
		}

		// vCPUs that come and go; arch/x86_64/cpus.h has the registers. Each
		// is a device in the SSDT, which tells CTFY which it is.
		Device (CPUS)
		{
			Name (_HID, "ACPI0010")
			Name (_CID, EisaId ("PNP0A05"))
			OperationRegion (CPUR, SystemIO, LAYOUT_PORT_CPUS, 5)
			Field (CPUR, DWordAcc, NoLock, WriteAsZeros)
			{
				CSEL, 32
			}
			Field (CPUR, ByteAcc, NoLock, WriteAsZeros)
			{
				Offset (4),
				CPEN, 1,	// is there
				CINS, 1,	// has come
				CRMV, 1,	// is asked to leave
				CEJ0, 1,	// is let go
				CREF, 1		// will not be let go
			}
			Mutex (CLCK, 0)
			Method (CSTA, 1, Serialized)
			{
				Acquire (CLCK, 0xFFFF)
				CSEL = Arg0
				Local0 = Zero
				If (CPEN)
				{
					Local0 = 0x0F
				}
				Release (CLCK)
				Return (Local0)
			}
			Method (CEJT, 1, Serialized)
			{
				Acquire (CLCK, 0xFFFF)
				CSEL = Arg0
				CEJ0 = One
				Release (CLCK)
			}
			// The event (an eject request, the guest's own or ours),
			// and how it ended: not 0, nor "in progress", is a failure
			// (ACPI 6.4 6.3.5).
			Method (COST, 3, Serialized)
			{
				If (((Arg1 & 0xFF) == 3) && Arg2 && (Arg2 != 0x84))
				{
					Acquire (CLCK, 0xFFFF)
					CSEL = Arg0
					CREF = One
					Release (CLCK)
				}
			}
			Method (CSCN, 0, Serialized)
			{
				Acquire (CLCK, 0xFFFF)
				Local0 = Zero
				While (Local0 < \NCPU)
				{
					CSEL = Local0
					If (CINS)
					{
						CINS = One
						CTFY (Local0, 1)	// device check
					}
					ElseIf (CRMV)
					{
						CRMV = One
						CTFY (Local0, 3)	// eject request
					}
					Local0++
				}
				Release (CLCK)
			}
		}

		// Memory that comes and goes; arch/x86_64/dimms.h has the registers.
		Device (MEMS)
		{
			Name (_HID, EisaId ("PNP0A06"))
			Name (_UID, "memory")
			OperationRegion (MEMR, SystemIO, LAYOUT_PORT_DIMMS, 24)
			Field (MEMR, DWordAcc, NoLock, WriteAsZeros)
			{
				MSEL, 32,
				Offset (8),
				MBSL, 32,	// where it begins
				MBSH, 32,
				MSZL, 32,	// bytes
				MSZH, 32
			}
			Field (MEMR, ByteAcc, NoLock, WriteAsZeros)
			{
				Offset (4),
				MPEN, 1,	// is there
				MINS, 1,	// has come
				MRMV, 1,	// is asked to leave
				MEJ0, 1,	// is let go
				MREF, 1		// will not be let go
			}
			Mutex (MLCK, 0)
			Method (MSTA, 1, Serialized)
			{
				Local0 = Zero
				If (Arg0 < \NMEM)
				{
					Acquire (MLCK, 0xFFFF)
					MSEL = Arg0
					If (MPEN)
					{
						Local0 = 0x0F
					}
					Release (MLCK)
				}
				Return (Local0)
			}
			Name (MR64, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode,
				    MinFixed, MaxFixed, Cacheable, ReadWrite,
				    0, 0, 0, 0, 0, , , MW64,
				    AddressRangeMemory, TypeStatic)
			})
			Method (MCRS, 1, Serialized)
			{
				CreateQWordField (MR64, ^MW64._MIN, MMIN)
				CreateQWordField (MR64, ^MW64._MAX, MMAX)
				CreateQWordField (MR64, ^MW64._LEN, MLEN)
				Acquire (MLCK, 0xFFFF)
				MSEL = Arg0
				MMIN = (MBSH << 32) | MBSL
				MLEN = (MSZH << 32) | MSZL
				Release (MLCK)
				MMAX = MMIN + MLEN - 1
				Return (MR64)
			}
			Method (MEJT, 1, Serialized)
			{
				Acquire (MLCK, 0xFFFF)
				MSEL = Arg0
				MEJ0 = One
				Release (MLCK)
			}
			// As COST of the vCPUs.
			Method (MOST, 3, Serialized)
			{
				If (((Arg1 & 0xFF) == 3) && Arg2 && (Arg2 != 0x84))
				{
					Acquire (MLCK, 0xFFFF)
					MSEL = Arg0
					MREF = One
					Release (MLCK)
				}
			}
#define DIMM(name, n)							\
			Device (name)					\
			{						\
				Name (_HID, EisaId ("PNP0C80"))		\
				Name (_UID, n)				\
				Method (_STA) { Return (MSTA (n)) }	\
				Method (_CRS) { Return (MCRS (n)) }	\
				Method (_EJ0, 1) { MEJT (n) }		\
				Method (_OST, 3) { MOST (n, Arg0, Arg1) } \
			}
			DIMM (M000, 0)
			DIMM (M001, 1)
			DIMM (M002, 2)
			DIMM (M003, 3)
			DIMM (M004, 4)
			DIMM (M005, 5)
			DIMM (M006, 6)
			DIMM (M007, 7)
			DIMM (M008, 8)
			DIMM (M009, 9)
			DIMM (M010, 10)
			DIMM (M011, 11)
			DIMM (M012, 12)
			DIMM (M013, 13)
			DIMM (M014, 14)
			DIMM (M015, 15)
#define TELL(name, n)							\
				If (Arg0 == n)				\
				{					\
					Notify (name, Arg1)		\
				}
			Method (MTFY, 2)
			{
				TELL (M000, 0)
				TELL (M001, 1)
				TELL (M002, 2)
				TELL (M003, 3)
				TELL (M004, 4)
				TELL (M005, 5)
				TELL (M006, 6)
				TELL (M007, 7)
				TELL (M008, 8)
				TELL (M009, 9)
				TELL (M010, 10)
				TELL (M011, 11)
				TELL (M012, 12)
				TELL (M013, 13)
				TELL (M014, 14)
				TELL (M015, 15)
			}
			Method (MSCN, 0, Serialized)
			{
				Acquire (MLCK, 0xFFFF)
				Local0 = Zero
				While (Local0 < \NMEM)
				{
					MSEL = Local0
					If (MINS)
					{
						MINS = One
						MTFY (Local0, 1)	// device check
					}
					ElseIf (MRMV)
					{
						MRMV = One
						MTFY (Local0, 3)	// eject request
					}
					Local0++
				}
				Release (MLCK)
			}
		}

		// Devices that come and go; arch/x86_64/slots.h has the registers.
		Device (SLTS)
		{
			Name (_HID, EisaId ("PNP0A06"))
			Name (_UID, "slots")
			OperationRegion (SLTR, SystemIO, LAYOUT_PORT_SLOTS, 16)
			Field (SLTR, DWordAcc, NoLock, WriteAsZeros)
			{
				SBUS, 32,
				SCAM, 32,	// something has come
				SLVS, 32,	// is asked to leave
				SEJ0, 32	// is let go
			}
			Mutex (SLCK, 0)
			Method (SEJT, 2, Serialized)
			{
				Acquire (SLCK, 0xFFFF)
				SBUS = Arg0
				SEJ0 = One << Arg1
				Release (SLCK)
			}
			Method (SSCN, 0, Serialized)
			{
				Local2 = Zero
				While (Local2 < \NSEG)
				{
					Acquire (SLCK, 0xFFFF)
					SBUS = Local2
					Local0 = SCAM
					SCAM = Local0
					Local1 = SLVS
					SLVS = Local1
					Release (SLCK)
					If (Local2 == Zero)
					{
						\_SB.PCI0.STEL (Local0, One)
						\_SB.PCI0.STEL (Local1, 3)
					}
					Else
					{
						STFY (Local2, Local0, One)
						STFY (Local2, Local1, 3)
					}
					Local2++
				}
			}
		}

		Device (PWRB)
		{
			Name (_HID, EisaId ("PNP0C0C"))
			Name (_UID, Zero)
		}

		// Generic Event Device (ACPI 6.4 5.6.9): in hardware-reduced
		// ACPI what an SCI with its GPEs was before.
		Device (GED)
		{
			Name (_HID, "ACPI0013")
			Name (_UID, Zero)
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Edge, ActiveHigh,
				    Exclusive) { LAYOUT_GSI_GED }
			})
			OperationRegion (EVTR, SystemIO, LAYOUT_PORT_GED, 1)
			Field (EVTR, ByteAcc, NoLock, Preserve)
			{
				EVTS, 8		// reading clears
			}
			Method (_EVT, 1, Serialized)
			{
				Local0 = EVTS
				If (Local0 & LAYOUT_GED_CPUS)
				{
					\_SB.CPUS.CSCN ()
				}
				If (Local0 & LAYOUT_GED_MEMORY)
				{
					\_SB.MEMS.MSCN ()
				}
				If (Local0 & LAYOUT_GED_PCI)
				{
					\_SB.SLTS.SSCN ()
				}
				If (Local0 & LAYOUT_GED_POWER_BUTTON)
				{
					Notify (\_SB.PWRB, 0x80)
				}
			}
		}
	}
}
