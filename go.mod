module github.com/batchscore/batchscore

go 1.26
