select bench.post(1, 1, 10);
