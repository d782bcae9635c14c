\set tenth random(0, 9)
\set n random(1, :visits) + case when :tenth = 0 then :visits else 0 end
\set s 1 + :n % :sites
\set ref random(1, 1000000000000000)
\set amount random(500, 20000)
select bench.purchase(:s, 'B' || :ref::text, :n, :amount);
