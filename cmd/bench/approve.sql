select bench.approve();
