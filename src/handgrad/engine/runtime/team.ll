; How a team's threads hand each other their work; see team.py. PAUSE is the target's instruction for who waits.

; In the first two lines what the leader writes, asked, function, arguments, and what stays; in the others what
; the worker writes, ended and asleep.
%desk = type { i64, ptr, [4 x ptr], ptr, ptr, ptr, ptr, i64, [5 x i64], i64, i64, [14 x i64] }

; Look at a word until it is no longer what it was, at most so many times, and let others run now and then.
define internal i1 @changes(ptr %word, i64 %was, i64 %patience, ptr %yield) nounwind {
entry:
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %pause ], [ %more, %others ]
  %now = load atomic i64, ptr %word acquire, align 8
  %same = icmp eq i64 %now, %was
  br i1 %same, label %again, label %changed
again:
  %more = add i64 %looks, 1
  %tired = icmp ugt i64 %more, %patience
  br i1 %tired, label %unchanged, label %rest
rest:
  %low = and i64 %more, 127
  %polite = icmp eq i64 %low, 0
  br i1 %polite, label %others, label %pause
pause:
  PAUSE
  br label %look
others:
  %result = call i32 %yield()
  br label %look
changed:
  ret i1 true
unchanged:
  ret i1 false
}

define internal void @execute(ptr %desk, i64 %thread) nounwind {
  %function.at = getelementptr %desk, ptr %desk, i32 0, i32 1
  %a.at = getelementptr %desk, ptr %desk, i32 0, i32 2, i32 0
  %b.at = getelementptr %desk, ptr %desk, i32 0, i32 2, i32 1
  %c.at = getelementptr %desk, ptr %desk, i32 0, i32 2, i32 2
  %d.at = getelementptr %desk, ptr %desk, i32 0, i32 2, i32 3
  %yield.at = getelementptr %desk, ptr %desk, i32 0, i32 3
  %function = load ptr, ptr %function.at, align 8
  %a = load ptr, ptr %a.at, align 8
  %b = load ptr, ptr %b.at, align 8
  %c = load ptr, ptr %c.at, align 8
  %d = load ptr, ptr %d.at, align 8
  %yield = load ptr, ptr %yield.at, align 8
  call void %function(ptr %a, ptr %b, ptr %c, ptr %d, i64 %thread, ptr %yield)
  ret void
}

; A worker's life: do what is asked for until that is no function.
define void @serve(ptr %desk, i64 %thread) nounwind {
entry:
  %function.at = getelementptr %desk, ptr %desk, i32 0, i32 1
  %yield.at = getelementptr %desk, ptr %desk, i32 0, i32 3
  %acquire.at = getelementptr %desk, ptr %desk, i32 0, i32 4
  %lock.at = getelementptr %desk, ptr %desk, i32 0, i32 6
  %patience.at = getelementptr %desk, ptr %desk, i32 0, i32 7
  %ended.at = getelementptr %desk, ptr %desk, i32 0, i32 9
  %asleep.at = getelementptr %desk, ptr %desk, i32 0, i32 10
  %yield = load ptr, ptr %yield.at, align 8
  %acquire = load ptr, ptr %acquire.at, align 8
  %lock = load ptr, ptr %lock.at, align 8
  %patience = load i64, ptr %patience.at, align 8
  br label %look
look:
  %ended = load i64, ptr %ended.at, align 8
  %asked = call i1 @changes(ptr %desk, i64 %ended, i64 %patience, ptr %yield)
  br i1 %asked, label %work, label %lie.down
lie.down:
  store atomic i64 1, ptr %asleep.at seq_cst, align 8
  %last = load atomic i64, ptr %desk seq_cst, align 8
  %none = icmp eq i64 %last, %ended
  br i1 %none, label %sleep, label %get.up
get.up: ; it was asked in between: if its leader has seen it lie down, the lock is opened
  %seen = atomicrmw xchg ptr %asleep.at, i64 0 seq_cst
  %unseen = icmp eq i64 %seen, 1
  br i1 %unseen, label %look, label %sleep
sleep:
  %taken = call i32 %acquire(ptr %lock, i32 1)
  br label %look
work:
  %function = load ptr, ptr %function.at, align 8
  %dismissed = icmp eq ptr %function, null
  br i1 %dismissed, label %go, label %run
run:
  call void @execute(ptr %desk, i64 %thread)
  %done = add i64 %ended, 1
  store atomic i64 %done, ptr %ended.at release, align 8
  br label %look
go:
  ret void
}

; Ask one worker.
define void @ask(ptr %desk, ptr %function, ptr %arguments) nounwind {
entry:
  %function.at = getelementptr %desk, ptr %desk, i32 0, i32 1
  %arguments.at = getelementptr %desk, ptr %desk, i32 0, i32 2
  %release.at = getelementptr %desk, ptr %desk, i32 0, i32 5
  %lock.at = getelementptr %desk, ptr %desk, i32 0, i32 6
  %asleep.at = getelementptr %desk, ptr %desk, i32 0, i32 10
  store ptr %function, ptr %function.at, align 8
  %copied = load [4 x ptr], ptr %arguments, align 8
  store [4 x ptr] %copied, ptr %arguments.at, align 8
  %asked = load i64, ptr %desk, align 8
  %next = add i64 %asked, 1
  store atomic i64 %next, ptr %desk seq_cst, align 8
  %asleep = atomicrmw xchg ptr %asleep.at, i64 0 seq_cst
  %wake = icmp eq i64 %asleep, 1
  br i1 %wake, label %open, label %end
open:
  %release = load ptr, ptr %release.at, align 8
  %lock = load ptr, ptr %lock.at, align 8
  call void %release(ptr %lock)
  br label %end
end:
  ret void
}

; Ask all, do one's own part, and wait for theirs. The first of the desks is the leader's own.
define void @lead(ptr %desks, i64 %size, ptr %function, ptr %arguments) nounwind {
entry:
  %own = load ptr, ptr %desks, align 8
  %yield.at = getelementptr %desk, ptr %own, i32 0, i32 3
  %yield = load ptr, ptr %yield.at, align 8
  br label %asking
asking:
  %n = phi i64 [ 0, %entry ], [ %n.next, %asking ]
  %desk.at = getelementptr ptr, ptr %desks, i64 %n
  %desk = load ptr, ptr %desk.at, align 8
  call void @ask(ptr %desk, ptr %function, ptr %arguments)
  %n.next = add i64 %n, 1
  %all = icmp eq i64 %n.next, %size
  br i1 %all, label %part, label %asking
part:
  call void @execute(ptr %own, i64 0)
  br label %others
others:
  %k = phi i64 [ 1, %part ], [ %k.next, %ended ]
  %more = icmp slt i64 %k, %size
  br i1 %more, label %other, label %over
other:
  %other.at = getelementptr ptr, ptr %desks, i64 %k
  %other.desk = load ptr, ptr %other.at, align 8
  %ended.at = getelementptr %desk, ptr %other.desk, i32 0, i32 9
  %asked = load i64, ptr %other.desk, align 8
  %before = sub i64 %asked, 1
  br label %wait
wait:
  %done = call i1 @changes(ptr %ended.at, i64 %before, i64 1000000, ptr %yield)
  br i1 %done, label %ended, label %wait
ended:
  %k.next = add i64 %k, 1
  br label %others
over:
  ret void
}
