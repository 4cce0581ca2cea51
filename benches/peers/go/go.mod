module latchkey/bench

go 1.24
