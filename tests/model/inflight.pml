/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a disk request survives the death of the worker that has it: guest driver,
 * split ring, worker, record, disk, controller, successor. A worker may die
 * between any two of its stores, also while it adopts what another left, and the
 * I/O that it has begun goes on without it. Names are those of device-workers/lib
 * (virtq.c, virtq_inflight.c, virtq_adopt.c, record.c) and controller/recover.c.
 * Not modelled: the packed ring, indirect descriptors, notifications (the worker
 * looks at the ring whenever it likes), and a record that lies.
 *
 * Checked: each request is answered, and once (the driver ends, and asserts); a
 * write that was answered has been done, and no later one to the same place is
 * undone; what was answered before a flush was begun is durable when that is
 * answered; a request that kills its workers is answered with an error after
 * RECORD_DEATHS of them, and no other is.
 *
 * -D: SIZE of the ring, DEATHS from outside, POISON (request 1 kills), and the
 * mutations, each of which must be found (run):
 *   LATE_RECORD	the record is written after the used index
 *   EARLY_CLEAR	a request is no longer in flight before the used index moves
 *   NO_ROLL	the successor does not look at what was used since
 *   NO_RECORD	what is taken is not noted
 *   NO_WAIT	the predecessor's I/O is not waited for
 *   NO_KEEP	the suspect is put back into the ring with the last ones taken
 *   NO_MARK	what is being worked on is not marked
 *   EARLY_TRUST	the suspicion ends while more is in the ring
 */
#ifndef SIZE
#define SIZE 2
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define RECORD_DEATHS 2
#define N 4			/* requests */
#define IOS 4			/* in flight in the kernel, a predecessor's too */
#define NONE 255

/* Request 0 writes 1 to A, 1 writes 1 to B, 2 writes 2 to A once 0 is answered, 3
 * flushes once 2 is. */
#define DEP(r) (r == 2 -> 0 : (r == 3 -> 2 : NONE))
#define PLACE(r) (r == 1)
#define VALUE(r) (r == 2 -> 2 : 1)
#define IS_FLUSH(r) (r == 3)
#define IS_POISON(r) (POISON && r == 1)
#ifndef POISON
#define POISON 0
#endif

/* Guest memory: a request a descriptor. */
byte desc[SIZE];		/* which request; the driver's */
bool error[SIZE];		/* status byte */
byte avail_ring[SIZE], avail_idx;
byte used_ring[SIZE], used_idx;

/* The driver's own. */
bool free[SIZE], posted[N], done[N];

/* The record: in-flight region and mark. */
bool inflight[SIZE];
byte counter[SIZE], next[SIZE], last_batch_head, region_used;
byte mark_now, mark_suspect, mark_deaths;

/* The host. */
byte io[IOS];			/* request + 1; 0: free */
byte io_desc[IOS];
bool io_done[IOS], io_orphan[IOS];
byte cache[2], durable[2];
byte killed, poison_deaths;
bool guilty;

#define DIE_HERE if :: killed < DEATHS -> killed++; guilty = false; goto dead :: true fi

/* ---- the disk: what was begun ends some time, whoever is there to see it -------- */

active proctype disk()
{
	byte k;

end:	do
	:: atomic { (io[0] && !io_done[0]) -> k = 0; goto apply }
	:: atomic { (io[1] && !io_done[1]) -> k = 1; goto apply }
	:: atomic { (io[2] && !io_done[2]) -> k = 2; goto apply }
	:: atomic { (io[3] && !io_done[3]) -> k = 3; goto apply }
	od;
apply:	atomic {
		if
		:: IS_FLUSH(io[k] - 1) -> durable[0] = cache[0];
			durable[1] = cache[1]
		:: else -> cache[PLACE(io[k] - 1)] = VALUE(io[k] - 1)
		fi;
		if
		:: io_orphan[k] -> io[k] = 0; io_orphan[k] = false
		:: else -> io_done[k] = true
		fi;
		k = 0
	}
	goto end
}

/* ---- the guest ------------------------------------------------------------------- */

active proctype driver()
{
	byte seen, i, r, left = N;

	d_step {
		for (i : 0 .. SIZE - 1) { free[i] = true }
		i = 0
	}
	do
	:: left == 0 -> break
	:: atomic { used_idx != seen ->
		i = used_ring[seen % SIZE];
		assert(!free[i]);		/* an answer to nothing, or again */
		r = desc[i];
		assert(posted[r] && !done[r]);
		assert(error[i] == IS_POISON(r));
		/* Done, and not undone by what came late. */
		assert(IS_FLUSH(r) || error[i] || cache[PLACE(r)] >= VALUE(r));
		assert(!IS_FLUSH(r) || durable[0] >= 2);
		done[r] = true;
		free[i] = true;
		seen++;
		left--;
		i = 0; r = 0
	   }
	:: atomic { avail_idx - seen < SIZE && left > 0 ->
		/* Any request that is due, in any free descriptor. */
		select (r : 0 .. N - 1);
		select (i : 0 .. SIZE - 1);
		if
		:: !posted[r] && free[i] && (DEP(r) == NONE || done[DEP(r)]) ->
			posted[r] = true;
			free[i] = false;
			desc[i] = r;
			error[i] = false;
			avail_ring[avail_idx % SIZE] = i;
			avail_idx++
		:: else
		fi;
		i = 0; r = 0
	   }
	od;
	assert(cache[0] == 2 && durable[0] == 2);
	assert(POISON || cache[1] == 1)
}

/* ---- the worker, and the controller that starts it anew ----------------------------- */

active proctype worker()
{
	byte next_avail, next_used, batch_head, resubmit, count;
	byte i, k, n, id, suspect;
	bool taken[SIZE], keep, doubtful, resume;

start:	/* The controller: only when its predecessor's I/O has ended. */
#ifndef NO_WAIT
	(!(io[0] && io_orphan[0]) && !(io[1] && io_orphan[1]) &&
	    !(io[2] && io_orphan[2]) && !(io[3] && io_orphan[3]));
#endif
	suspect = NONE;
	if
	:: !resume -> goto work
	:: else
	fi;

	/* record_suspect() */
	n = mark_now;
	DIE_HERE;
	mark_now = 0;
	DIE_HERE;
	if
	:: !guilty
	:: guilty && n == 0 -> mark_suspect = 0; DIE_HERE; mark_deaths = 0
	:: guilty && n != 0 && n != mark_suspect ->
		mark_suspect = n; DIE_HERE; mark_deaths = 1
	:: guilty && n != 0 && n == mark_suspect ->
		mark_deaths++;
		if
		:: mark_deaths >= RECORD_DEATHS -> suspect = n - 1
		:: else
		fi
	fi;
	doubtful = true;
	DIE_HERE;
#ifdef NO_KEEP
	keep = false;
#else
	keep = suspect != NONE;
#endif

	/* adopt_split() */
	next_used = used_idx;
#ifndef NO_ROLL
	n = next_used - region_used;
	i = last_batch_head;
	do
	:: n > 0 -> inflight[i] = false; i = next[i]; n--; DIE_HERE
	:: else -> break
	od;
#endif
	region_used = next_used;
	DIE_HERE;
	d_step {
		resubmit = 0; count = 0;
		for (i : 0 .. SIZE - 1) {
			if
			:: inflight[i] -> resubmit++;
				if
				:: counter[i] >= count -> count = counter[i] + 1
				:: else
				fi
			:: else
			fi
		}
		next_avail = next_used + resubmit;
		i = 0; n = 0
	}
	/* The last ones taken can be taken out of the ring again. */
	do
	:: resubmit > 0 && !keep ->
		d_step {
			n = NONE;
			for (i : 0 .. SIZE - 1) {
				if
				:: inflight[i] && (n == NONE ||
				   counter[i] >= counter[n]) -> n = i
				:: else
				fi
			}
			i = 0
		}
		if
		:: n == avail_ring[(next_avail - 1) % SIZE] ->
			inflight[n] = false;
			next_avail--;
			resubmit--;
			DIE_HERE
		:: else -> break
		fi
	:: else -> break
	od;
	n = 0;

	/* worker_refuse() */
	if
	:: suspect != NONE && inflight[suspect] ->
		id = suspect;
		taken[id] = true;
		resubmit--;
		error[id] = true;
		suspect = NONE;
		goto push
	:: else -> suspect = NONE
	fi;

work:
end:	do
	:: resubmit > 0 ->	/* virtq_pop(): the oldest of a predecessor's */
		d_step {
			id = NONE;
			for (i : 0 .. SIZE - 1) {
				if
				:: inflight[i] && !taken[i] && (id == NONE ||
				   counter[i] < counter[id]) -> id = i
				:: else
				fi
			}
			i = 0
		}
		assert(id != NONE);
		taken[id] = true;
		resubmit--;
		break
	:: resubmit == 0 && avail_idx != next_avail ->
		assert(next_avail < avail_idx);	/* "available index jumped" */
		id = avail_ring[next_avail % SIZE];
#ifndef NO_RECORD
		counter[id] = count;
		DIE_HERE;
		inflight[id] = true;
#endif
		DIE_HERE;
		count++;
		next_avail++;
		taken[id] = true;
		break
	/* run_queue(): it has lived through it; at a budget, more is in the ring. */
	:: mark_now != 0 ->
		mark_now = 0;
		DIE_HERE;
		if
#ifdef EARLY_TRUST
		:: doubtful && resubmit == 0 ->
#else
		:: doubtful && resubmit == 0 && avail_idx == next_avail ->
#endif
			mark_suspect = 0; DIE_HERE;
			mark_deaths = 0; doubtful = false
		:: else
		fi
	:: atomic { (io_done[0] && !io_orphan[0]) -> k = 0 }; goto answer
	:: atomic { (io_done[1] && !io_orphan[1]) -> k = 1 }; goto answer
	:: atomic { (io_done[2] && !io_orphan[2]) -> k = 2 }; goto answer
	:: atomic { (io_done[3] && !io_orphan[3]) -> k = 3 }; goto answer
	:: atomic { killed < DEATHS -> killed++; guilty = false }; goto dead
	od;
#ifndef NO_MARK
	mark_now = id + 1;
#endif
	DIE_HERE;
	if
	:: IS_POISON(desc[id]) ->
		poison_deaths++;
		assert(poison_deaths <= RECORD_DEATHS + DEATHS);
		guilty = true;
		goto dead
	:: else
	fi;
	/* The I/O begins. */
	atomic {
		k = 0;
		do
		:: io[k] -> k++
		:: else -> break
		od;
		assert(k < IOS);
		io[k] = desc[id] + 1;
		io_desc[k] = id;
		k = 0
	}
	goto work;

answer:	atomic { id = io_desc[k]; io[k] = 0; io_done[k] = false; k = 0 }
	error[id] = false;

push:	/* virtq_push(), virtq_flush() */
#ifdef EARLY_CLEAR
	inflight[id] = false;
	DIE_HERE;
#endif
#ifndef LATE_RECORD
	next[id] = batch_head;
	DIE_HERE;
	last_batch_head = id;
	DIE_HERE;
#endif
	used_ring[next_used % SIZE] = id;
	next_used++;
	DIE_HERE;
	used_idx = next_used;
	DIE_HERE;
#ifdef LATE_RECORD
	next[id] = batch_head;
	DIE_HERE;
	last_batch_head = id;
	DIE_HERE;
#endif
	batch_head = id;
	inflight[id] = false;
	taken[id] = false;
	DIE_HERE;
	region_used = next_used;
	DIE_HERE;
	goto work;

dead:	skip;
	d_step {
		/* Nobody hears of what is done; the rest goes on. */
		for (i : 0 .. IOS - 1) {
			if
			:: io[i] && io_done[i] -> io[i] = 0; io_done[i] = false
			:: io[i] && !io_done[i] -> io_orphan[i] = true
			:: else
			fi
		}
		for (i : 0 .. SIZE - 1) { taken[i] = false }
		next_avail = 0; next_used = 0; batch_head = 0; resubmit = 0; count = 0;
		i = 0; k = 0; n = 0; id = 0; keep = false; doubtful = false;
		resume = true
	}
	goto start
}
