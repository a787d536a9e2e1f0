module botberi/bench

go 1.22
